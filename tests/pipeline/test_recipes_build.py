"""The shipped recipes on real archives, and a threshold that is changed on a finished run."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from m3w.pipeline.build import build
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS
from m3w.pipeline.recipe import load_recipe
from m3w.schemas.manifest import Manifest

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = ("m3w", "obelics", "mmc4", "omnicorpus")


def built(name: str, paths: list[str], run: Path, *overrides: str) -> Manifest:
    recipe = load_recipe(str(RECIPES / f"{name}.yaml"), [f"crawl.paths={paths}", *overrides])
    return build(recipe, str(run))


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_says_its_source_and_deviations_and_loads(name: str) -> None:
    recipe = load_recipe(str(RECIPES / f"{name}.yaml"))
    assert recipe.dataset.name == name
    text = (RECIPES / f"{name}.yaml").read_text()
    assert all(word in text for word in ("arXiv", "Source:", "Hardware:", "Try it: m3w build"))
    assert recipe.rules.languages == ["en"] and recipe.rules.document and recipe.rules.image


@pytest.mark.ray
@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_builds_the_real_archives(name: str, shared_data: Path, tmp_path: Path) -> None:
    folders = [
        *sorted((shared_data / "warc").glob("commoncrawl-*")),
        *sorted((shared_data / "warc").glob("with-images-*")),
    ]
    paths = [
        str(path)
        for folder in folders
        for path in sorted(folder.glob("*.warc*"))
        if path.name.endswith((".warc", ".warc.gz"))
    ]
    manifest = built(name, [path for path in paths if "paths" not in path], tmp_path / "run")
    counts = manifest.counts
    dropped = sum(count for key, count in counts["filter"].items() if key.startswith("documents_dropped."))
    assert counts["extract"]["documents"] == counts["filter"].get("documents", 0) + dropped > 10
    reasons = {
        key.removeprefix("documents_dropped.") for key in counts["filter"] if key.startswith("documents_dropped.")
    }
    recipe = load_recipe(str(RECIPES / f"{name}.yaml"))
    assert reasons <= {"language", "no_image_left", "opted_out", "adult_word", *recipe.rules.document}
    rows = [
        row for path in (tmp_path / "run/documents/kept").glob("*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    for row in rows:
        signals = {**row["signals"], "language_score": row["language_score"]}
        assert set(row["signals"]) == set(DOCUMENT_SIGNALS)
        assert all(rule.holds(signals[rule.signal or key]) for key, rule in recipe.rules.document.items())


@pytest.mark.ray
def test_a_changed_threshold_redoes_only_what_follows_extraction(tmp_path: Path) -> None:
    write_demo_crawl(tmp_path, pages=60)
    paths, run = [f"{tmp_path}/*.warc.gz"], tmp_path / "run"
    before = built("m3w", paths, run)
    assert before.counts["join"]["documents"] > 40, "the sample's pages are good enough for the paper's rules"

    def written(stage: str) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (run / "ledger" / stage).glob("*.json")}

    stages = ("extract", "filter", "assemble")
    earlier = {stage: written(stage) for stage in stages}
    extracted = {path.name: path.read_bytes() for path in (run / "documents/extracted").iterdir()}
    after = built("m3w", paths, run, "rules.document.words.min=200")
    assert written("extract") == earlier["extract"]
    assert {path.name: path.read_bytes() for path in (run / "documents/extracted").iterdir()} == extracted
    assert written("filter") != earlier["filter"] and written("assemble") != earlier["assemble"]
    lost = before.counts["filter"]["documents"] - after.counts["filter"]["documents"]
    assert lost == after.counts["filter"]["documents_dropped.words"] > 0
    drops = [row for path in (run / "drops/filter").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert all(row["value"] < row["min"] == 200 for row in drops if row["reason"] == "words")
    assert {row["reason"] for row in drops} >= {"words"}
