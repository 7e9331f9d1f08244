"""Adding a stage touches its own file and the list: this module is the file, and the list is `STAGES` with its two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from m3w.pipeline import build as build_module
from m3w.pipeline.build import STAGES, build
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.engine.drops import DROPS, Drop
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import NoSettings, key, settings
from m3w.pipeline.engine.stage import Flow, Shuffle, grouped, per_part
from m3w.pipeline.engine.stage_io import PartFiles, StageIO
from m3w.pipeline.engine.table import Table
from m3w.pipeline.inspect import funnel, run_status, status
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.pipeline.tables import KEPT

pytestmark = pytest.mark.ray

LONG = Table("documents/long", pa.schema([("url", pa.string()), ("words", pa.float64())]))
LONG_BY_PART = Table("documents/long_by_part", LONG.schema)


@settings
class LongSettings:
    """Uses keys of no other stage in these builds, whose recipe has no scorer."""

    wanted: float = key("scores.gpus")
    """Above 0 if the stage is on."""
    words: int = key("scores.batch")


@per_part(
    reads=[KEPT],
    writes=[LONG, DROPS],
    settings=LongSettings,
    enabled=lambda long: long.wanted > 0,
    units=("documents",),
    flows=(
        Flow(
            unit="documents",
            entered_as="documents within the rules",
            entered=("filter", "documents"),
            kept_as="long documents",
            kept="documents",
        ),
    ),
)
def long(io: StageIO, long: LongSettings) -> None:
    """List the long documents of the part."""
    with io.write(LONG) as writer:
        for row in io.rows(KEPT):
            if row["signals"]["words"] < long.words:
                drop = Drop(kind="document", reason="short", document_id=row["document_id"], url=row["url"])
                io.drop("documents", drop)
                continue
            io.counters["documents"] += 1
            writer.write({"url": row["url"], "words": row["signals"]["words"]})


@settings
class LongByPartSettings:
    wanted: float = key("scores.gpus", effect="inputs")


@grouped(reads=[LONG], writes=LONG_BY_PART, settings=LongByPartSettings, enabled=lambda long: long.wanted > 0)
def long_by_part(inputs: Inputs, settings: NoSettings) -> Shuffle:
    """The longest documents of each part first."""

    def rows(part: PartFiles) -> pa.Table:
        table = part.read(LONG)
        return table.append_column("group", pa.array([part.part] * table.num_rows, pa.string()))

    def longest(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        return group.select(["url", "words"]).sort_by([("words", "descending"), ("url", "ascending")]), {"groups": 1}

    return Shuffle(map=rows, reduce=longest)


@pytest.fixture
def with_own_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages of a build, and `long` and `long_by_part` behind `filter`."""
    behind = next(number for number, stage in enumerate(STAGES) if stage.name == "filter") + 1
    stages = (*STAGES[:behind], long, long_by_part, *STAGES[behind:])
    for module in (build_module, status):
        monkeypatch.setattr(module, "STAGES", stages)
    monkeypatch.setattr(funnel, "DECLARED", {stage.name: stage for stage in stages})


def recipe(crawl: Path, *, words: int = 224, wanted: float = 1) -> Recipe:
    scores = {"gpus": wanted, "batch": words}
    return parse_recipe({"crawl": {"paths": [f"{crawl}/*.warc.gz"]}, "scores": scores}, "-")


def written(run: Path) -> dict[str, int]:
    """When each ledger entry was written, by its path."""
    ledger = run / "ledger"
    return {str(path.relative_to(ledger)): path.stat().st_mtime_ns for path in ledger.rglob("*.json")}


def stages_of(run: Path, before: dict[str, int]) -> set[str]:
    """The stages whose ledger has changed since `before`."""
    now = written(run)
    return {name.split("/")[0] for name in now.keys() | before.keys() if now.get(name) != before.get(name)}


def rows(run: Path, table: Table) -> list[dict[str, Any]]:
    paths = sorted((run / table.folder).glob("*.parquet"))
    return [row for path in paths for row in pa.parquet.read_table(path).to_pylist()]


@pytest.mark.usefixtures("with_own_stages")
def test_a_stage_that_is_declared_and_listed_is_whole(tmp_path: Path) -> None:
    crawl, run = tmp_path / "crawl", tmp_path / "run"
    write_demo_crawl(crawl, pages=60)
    counts = build(recipe(crawl), str(run)).counts

    kept, dropped = counts["long"]["documents"], counts["long"]["documents_dropped.short"]
    assert kept and dropped and kept + dropped == counts["filter"]["documents"]
    long_ones = rows(run, LONG)
    assert len(long_ones) == kept and all(row["words"] >= 224 for row in long_ones)
    by_part = rows(run, LONG_BY_PART)
    assert counts["long_by_part"] == {"groups": len(list((run / LONG_BY_PART.folder).iterdir()))}
    assert sorted(row["url"] for row in by_part) == sorted(row["url"] for row in long_ones)

    said = run_status(Run.open(str(run)))
    names = [stage.stage for stage in said.stages]
    assert names[names.index("filter") + 1 :][:2] == ["long", "long_by_part"]
    (line,) = [stage for stage in said.stages if stage.stage == "long"]
    assert (line.done, line.left, line.failed) == (len(list((run / LONG.folder).iterdir())), 0, [])
    assert line.counters == counts["long"] and said.finished

    (step,) = [step for step in funnel.funnel(counts) if step.stage == "long"]
    assert (step.entered, step.kept, step.unaccounted) == (kept + dropped, kept, 0)
    assert [(leaving.reason, leaving.count, leaving.cause) for leaving in step.exits] == [("short", dropped, "rule")]

    samples = [pa.parquet.read_table(path).to_pylist() for path in (run / "drops/long").iterdir()]
    assert samples and all(0 < len(sample) <= 3 for sample in samples)
    assert {drop["reason"] for sample in samples for drop in sample} == {"short"}

    before = written(run)
    build(recipe(crawl), str(run))
    assert stages_of(run, before) == set()
    fewer = build(recipe(crawl, words=300), str(run)).counts
    assert stages_of(run, before) == {"long", "long_by_part"}
    assert 0 < fewer["long"]["documents"] < kept
    assert {row["url"] for row in rows(run, LONG_BY_PART)} == {row["url"] for row in long_ones if row["words"] >= 300}

    before = written(run)
    without = build(recipe(crawl, wanted=0), str(run)).counts
    assert stages_of(run, before) == {"long", "long_by_part"}
    assert without == {name: counters for name, counters in counts.items() if not name.startswith("long")}
    for folder in (LONG.folder, LONG_BY_PART.folder, "drops/long"):
        assert not list((run / folder).glob("*")), f"{folder} is left"
    assert not (run / "ledger/long").exists() and not (run / "ledger/long_by_part").exists()
    assert not {"long", "long_by_part"} & {stage.stage for stage in run_status(Run.open(str(run))).stages}
