"""Complete `m3w build` runs on Ray: the same bytes, whatever fails in between."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from warcio.archiveiterator import ArchiveIterator

from m3w.pipeline.build import build, dataset_digest
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.examples import drop_reasons, run_of
from m3w.pipeline.recipe import Recipe, load_recipe, parse_recipe
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import open_dataset
from m3w.schemas.manifest import Manifest

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crawl")
    write_demo_crawl(folder)
    return folder


@pytest.fixture(scope="module")
def recipe(crawl: Path) -> Recipe:
    return parse_recipe({"crawl": {"paths": [f"{crawl}/*.warc.gz"]}, "dataset": {"shard_mib": 1}}, "-")


@pytest.fixture(scope="module")
def unbroken(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    return folder, build(recipe, str(folder))


def hashes(run: Path) -> dict[str, str]:
    """Of every file of the dataset."""
    files = sorted(path for path in (run / "dataset").rglob("*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_counters_add_up_from_records_to_documents(unbroken: tuple[Path, Manifest]) -> None:
    counts = unbroken[1].counts
    extract, join = counts["extract"], counts["join"]

    def dropped(stage: str, noun: str) -> int:
        return sum(n for name, n in counts[stage].items() if name.startswith(f"{noun}_dropped."))

    passed = sum(n for name, n in extract.items() if name.startswith("records_passed."))
    assert extract["records"] == passed + extract["responses"]
    assert extract["responses"] == extract["pages"] + extract["images_in_archive"] + dropped("extract", "responses")
    assert extract["pages"] == extract["documents"] + dropped("extract", "pages")
    assert extract["documents"] == counts["filter"]["documents"] + dropped("filter", "documents")
    assert counts["filter"]["documents"] == counts["unique"]["documents"] + dropped("unique", "documents")
    assert counts["unique"]["documents"] == join["documents"] + dropped("join", "documents")
    assert counts["fetch"]["image_urls"] == counts["fetch"]["images"] + dropped("fetch", "image_urls")
    assert join["documents"] == counts["assemble"]["documents"] > 200
    assert join["images"] == counts["assemble"]["images"] == counts["assemble"]["sequence_images"] > 1000


def test_the_manifest_names_every_shard_with_its_hash(unbroken: tuple[Path, Manifest]) -> None:
    run, manifest = unbroken
    on_disk = hashes(run)
    named = {}
    for split in manifest.splits.values():
        for shard in split.documents:
            named[f"dataset/{shard.path}"] = shard.sha256
        for tar in split.sequences:
            named |= {f"dataset/{tar.path}": tar.sha256, f"dataset/{tar.index}": tar.index_sha256}
    assert {**on_disk, **named} == on_disk
    assert set(on_disk) - set(named) == {"dataset/dataset.json", "dataset/README.md"}
    assert len(manifest.splits["train"].documents) > 1, "one shard would not show that shards are cut by size"


def test_each_reason_of_a_drop_has_examples(unbroken: tuple[Path, Manifest]) -> None:
    dataset = open_dataset(str(unbroken[0]))
    groups = drop_reasons(dataset, run_of(dataset), 50)
    assert {group.step.kept_as for group in groups} >= {
        "documents",
        "image references in documents",
        "images in the dataset",
    }
    for group in groups:
        assert group.drops, group.exit.reason


def test_a_second_build_does_nothing(recipe: Recipe, unbroken: tuple[Path, Manifest]) -> None:
    run, _ = unbroken
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    build(recipe, str(run))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


def test_the_order_of_the_inputs_does_not_change_a_byte(
    recipe: Recipe, crawl: Path, unbroken: tuple[Path, Manifest], tmp_path: Path
) -> None:
    paths = sorted((str(path) for path in crawl.iterdir()), reverse=True)
    again = parse_recipe({"crawl": {"paths": paths}, "dataset": {"shard_mib": 1}}, "-")
    build(again.model_copy(update={"crawl": again.crawl}), str(tmp_path / "run"))
    first, second = hashes(unbroken[0]), hashes(tmp_path / "run")
    first.pop("dataset/dataset.json"), second.pop("dataset/dataset.json")  # names the recipe, which lists the paths
    assert first == second


def test_a_changed_rule_redoes_only_what_follows_it(
    recipe: Recipe, unbroken: tuple[Path, Manifest], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken[0], run)
    before = {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}
    rules = recipe.rules.model_copy(
        update={
            "image": {
                **recipe.rules.image,
                "too_small": recipe.rules.image["too_small"].model_copy(update={"min": 100}),
            }
        }
    )
    manifest = build(recipe.model_copy(update={"rules": rules}), str(run))
    redone = {
        path.parent.name for path in (run / "ledger").rglob("*.json") if before.get(path) != path.stat().st_mtime_ns
    }
    assert redone == {"join", "assemble"}
    assert manifest.counts["join"]["images"] < unbroken[1].counts["join"]["images"]
    assert {f"dataset/{s.path}" for split in manifest.splits.values() for s in split.documents} == {
        str(path.relative_to(run)) for path in (run / "dataset/documents").iterdir()
    }, "shards of the old rules are gone"


def test_a_switch_of_duplicates_redoes_what_follows_and_leaves_nothing_when_it_is_off(
    recipe: Recipe, unbroken: tuple[Path, Manifest], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken[0], run)
    before = {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}
    near = {"paragraph_documents": 1, "image_documents": 1, "image_distance": 8}
    switches = recipe.duplicates.model_copy(update=near)
    manifest = build(recipe.model_copy(update={"duplicates": switches}), str(run))
    assert manifest.counts["unique"]["text_nodes_dropped.repeated_on_site"] > 0
    assert manifest.counts["join"]["image_references_dropped.frequent_image"] > 0
    redone = {
        path.parent.name for path in (run / "ledger").rglob("*.json") if before.get(path) != path.stat().st_mtime_ns
    }
    assert {"repeated", "unique", "frequent_images", "join", "assemble"} <= redone
    assert not {"extract", "filter", "document_hashes", "deduplicate"} & redone
    build(recipe, str(run))
    assert hashes(run) == hashes(unbroken[0])
    assert not (run / "ledger/repeated").exists() and not list((run / "images/frequent").iterdir())


def test_a_missing_output_is_written_again(recipe: Recipe, unbroken: tuple[Path, Manifest], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken[0], run)
    shutil.rmtree(run / "dataset")
    next((run / "documents/kept").iterdir()).unlink()
    build(recipe, str(run))
    assert hashes(run) == hashes(unbroken[0])


@pytest.mark.parametrize("stage", ["extract", "requests", "assemble"])
def test_a_run_whose_driver_is_killed_resumes_to_the_same_bytes(
    stage: str, recipe: Recipe, unbroken: tuple[Path, Manifest], tmp_path: Path
) -> None:
    """SIGKILL once the stage has begun (its predecessor has a ledger entry), then the same command."""
    run, path = tmp_path / "run", tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    command = [sys.executable, "-m", "m3w", "build", str(path), "--run", str(run)]
    started = {
        "extract": "run.json",
        "requests": "ledger/deduplicate/all.json",
        "assemble": "ledger/image_results/all.json",
    }
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (run / started[stage]).exists() and time.monotonic() < deadline:
        assert process.poll() is None, "the build ended before it could be killed"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "dataset/dataset.json").exists()
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert hashes(run) == hashes(unbroken[0])


def test_every_shared_archive_in_one_run(shared_data: Path, tmp_path: Path) -> None:
    """Valid, odd and damaged WARC files, and other files: the run ends, and the ledger names each fault."""
    recipe = parse_recipe({"crawl": {"paths": [f"{shared_data}/warc"]}, "rules": {"languages": []}}, "-")
    manifest = build(recipe, str(tmp_path / "run"))
    entries = Run.open(str(tmp_path / "run")).entries("extract")
    files = [path for path in (shared_data / "warc").rglob("*") if path.is_file()]
    assert len(entries) == len(files)
    for entry in entries.values():
        counted = sum(n for name, n in entry.counters.items() if name.startswith("faults."))
        assert counted == len(entry.faults) and all(fault.path in entry.inputs[0] for fault in entry.faults)
    silent = [entry.inputs[0] for entry in entries.values() if not entry.counters.get("records") and not entry.faults]
    assert not silent, "a file without a record has a fault that says why"
    pages = {entry.inputs[0].rpartition(" of ")[0]: entry.counters.get("pages", 0) for entry in entries.values()}
    by_warcio = {str(path): pages_by_warcio(path) for path in files}
    assert all(pages[path] >= count for path, count in by_warcio.items())
    assert sum(pages.values()) == sum(by_warcio.values()) + 3, "three files are one gzip member, which warcio refuses"
    assert manifest.counts["unique"]["documents_dropped.same_crawl_of_page"] > 0


def pages_by_warcio(path: Path) -> int:
    """HTML responses of status 200 that warcio reads before it ends or gives up."""
    pages = 0
    with path.open("rb") as file, contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        for record in ArchiveIterator(file, arc2warc=True):
            http, url = record.http_headers, record.rec_headers.get_header("WARC-Target-URI") or ""
            if (record.rec_type or "").strip().lower() != "response" or http is None or not url.startswith("http"):
                continue
            mime = (http.get_header("Content-Type") or "").partition(";")[0].strip().lower()
            pages += http.get_statuscode() == "200" and mime in ("text/html", "application/xhtml+xml")
    return pages


def test_a_failed_part_is_set_aside_and_the_others_continue(crawl: Path, tmp_path: Path) -> None:
    listing = tmp_path / "crawl.paths"
    listing.write_text(f"{next(crawl.iterdir())}\n{tmp_path}/missing.warc.gz\n")
    values = {"crawl": {"paths": [str(listing)]}, "execution": {"attempts": 2, "max_failed_parts": 1}}
    manifest = build(parse_recipe(values, "-"), str(tmp_path / "run"))
    assert manifest.counts["extract"]["documents"] > 0
    (failed,) = Run.open(str(tmp_path / "run")).failures("extract").values()
    assert failed.attempts == 2 and "missing.warc.gz" in failed.error
    assert "pipeline/crawl/warc.py" in failed.traceback and "\x1b" not in failed.traceback


def test_wrong_input_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing\\.warc names no file"):
        build(parse_recipe({"crawl": {"paths": [f"{tmp_path}/nothing.warc"]}}, "-"), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_shipped_recipe_is_the_default_but_for_what_it_keeps() -> None:
    shipped = load_recipe("recipes/m3w.yaml")
    kept = {name: getattr(shipped, name).model_dump() for name in ("crawl", "urls", "rules")}
    assert shipped == parse_recipe(kept, "-")


def test_the_frozen_recipe_builds_the_same_again(unbroken: tuple[Path, Manifest]) -> None:
    run, manifest = unbroken
    assert dataset_digest(load_recipe(str(run / "recipe.yaml"))) == manifest.recipe_sha256
    assert json.loads((run / "dataset/dataset.json").read_text())["recipe_sha256"] == manifest.recipe_sha256


def test_the_same_command_builds_on_a_cluster(recipe: Recipe, unbroken: tuple[Path, Manifest], tmp_path: Path) -> None:
    """Two nodes, as Ray's own test cluster starts them; the bytes are those of one machine."""
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        command = [sys.executable, "-m", "m3w", "build", str(tmp_path / "recipe.yaml"), "--run", str(tmp_path / "run")]
        subprocess.run([*command, "--address", cluster.address], check=True, capture_output=True, timeout=300)
    finally:
        cluster.shutdown()
    assert hashes(tmp_path / "run") == hashes(unbroken[0])
