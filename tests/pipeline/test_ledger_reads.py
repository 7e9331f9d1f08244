"""What a build asks of the store for its ledger: one listing and one read of each entry a stage, however many parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.scale.counted import asked, most, register
from benchmarks.scale.ledger import Inline, parts_of, plant, requested, touch
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Stage
from m3w.pipeline.fetch import plan as fetch_plan
from m3w.pipeline.fetch.redirect_rounds import fetch_in_waves
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.recipe import parse_recipe

LIKE = LedgerEntry(
    stage="extract",
    part="a",
    fingerprint="-",
    inputs=[],
    outputs=[Output(path="documents/a", sha256="0" * 64, bytes=1, rows=0)],
    counters={},
    facts={"oldest_transient": None},
    seconds=0,
    attempt=1,
)


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[Inline]:
    register()
    run = Run.create(f"counted://{tmp_path}/run")
    asked.clear()
    yield Inline(run, parse_recipe({"crawl": {"paths": ["-"]}}, "-"), Progress())
    asked.clear()


def test_a_stage_that_is_done_lists_its_ledger_and_reads_each_entry_once(executor: Inline) -> None:
    stage, parts = Stage(name="extract", fingerprint="-", process=touch), parts_of(7)
    plant(executor.run, stage, parts, LIKE)
    assert len(executor.work_off(stage, parts)) == 7
    assert most("list", "ledger/extract") == most("read", "ledger/extract/") == 1
    assert most("list", "documents/extract") == 1


def test_the_fetch_reads_its_ledger_once_however_often_it_looks_at_it(executor: Inline) -> None:
    stage, wanted = Stage(name="fetch", fingerprint="-", process=touch, keeps=True), requested(5)
    plant(executor.run, stage, fetch_plan.plan(wanted, {}, "-", Fetch(), datetime.now(UTC)), LIKE)
    assert len(fetch_in_waves(executor, wanted, Fetch(), "-", 5)) == 5
    assert most("list", "ledger/fetch") == most("read", "ledger/fetch/") == 1


def test_of_several_times_that_the_same_was_asked_for_the_last_one_counts() -> None:
    (first,) = fetch_plan.plan(requested(1), {}, "-", Fetch(), datetime.now(UTC))
    asked_for = first.name.rpartition(".")[0]
    known = {f"{asked_for}.{time}": LIKE for time in (2, 10, 9)}
    (part,) = fetch_plan.plan(requested(1), known, "-", Fetch(), datetime.now(UTC))
    assert part.name == f"{asked_for}.10"
