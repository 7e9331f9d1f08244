"""A build's requests to the store for its ledger: per stage one listing and one read per entry, for any number of parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.inline import InlineExecutor
from benchmarks.scale.counted import asked, most, register
from benchmarks.scale.ledger import (
    executor_of,
    fetch_inputs,
    fetch_nothing,
    fetch_parts,
    fetch_settings,
    parts_of,
    plant,
    requested,
    touch,
)
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import NoSettings
from m3w.pipeline.fetch.redirect_rounds import fetch_in_rounds

LIKE = LedgerEntry(
    stage="extract",
    part="a",
    fingerprint="-",
    inputs=[],
    outputs=[Output(path="documents/a", sha256="0" * 64, bytes=1, rows=0)],
    counters={},
    seconds=0,
    attempt=1,
)


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[InlineExecutor]:
    register()
    run = Run.create(f"counted://{tmp_path}/run")
    asked.clear()
    yield executor_of(run)
    asked.clear()


def test_a_stage_that_is_done_lists_its_ledger_and_reads_each_entry_once(executor: InlineExecutor) -> None:
    parts = parts_of(7)
    plant(executor.run, touch, touch.fingerprint(NoSettings()), parts, LIKE)
    entries = executor.run_parts(touch, NoSettings(), parts)
    assert len(entries) == 7 and all(entry.seconds == 0 and not entry.counters for entry in entries.values())
    assert most("list", "ledger/extract") == most("read", "ledger/extract/") == 1
    assert most("list", "touched") == 1


def test_the_fetch_reads_its_ledger_once_for_all_rounds(executor: InlineExecutor) -> None:
    settings, requests = fetch_settings(), requested(5)
    plant(executor.run, fetch_nothing, fetch_nothing.fingerprint(settings), fetch_parts(requests), LIKE)
    entries = fetch_in_rounds(executor, fetch_nothing, settings, fetch_inputs(requests))
    assert len(entries) == 5 and all(entry.seconds == 0 and not entry.counters for entry in entries.values())
    assert most("list", "ledger/fetch") == most("read", "ledger/fetch/") == 1


def test_of_several_results_for_one_url_the_newest_counts() -> None:
    (first,) = fetch_parts(requested(1))
    known = {}
    for generation in (2, 10, 9):
        asked_for = {**first.params, "generation": generation, "oldest_transient": None}
        known[f"{first.params['asks']}.{generation}"] = LIKE.model_copy(update={"metadata": asked_for})
    (part,) = fetch_parts(requested(1), known)
    assert part.name == f"{first.params['asks']}.10"
