"""A run of so many parts without work in them: what the driver spends on the ledger.

    python -m benchmarks.scale.ledger PARTS RUN

A thousand parts that write one byte each are worked off in this process, for the operations that each costs. Then the
ledgers of `extract` and `fetch`, whose parts are named after what they ask for, are put in place for so many parts, and
both stages are found done, as a build that goes on does. Prints one line of JSON: CPU seconds, operations on the
store, and MiB of a stage's entries.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.scale.counted import most, operations, register
from benchmarks.scale.meter import process_mib
from m3w.pipeline.engine.attempt import Attempt, Care
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part, Stage
from m3w.pipeline.engine.workers import _attempt
from m3w.pipeline.fetch import plan as fetch_plan
from m3w.pipeline.fetch.redirect_rounds import fetch_in_waves
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.recipe import Recipe, parse_recipe

Figures = dict[str, float]
SHA256 = "0" * 64
COMMITTED = 1000


class Inline(Executor):
    """Parts one after the other in this process."""

    def _results(self, stage: Stage, parts: list[Part]) -> Iterator[LedgerEntry | FailedPart]:
        for part in parts:
            yield _attempt(self.run.reference, stage, part, self.recipe, 1, Care.WATCHED)


def touch(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """A part's work without the work; its entry is as long as a real one of `extract`."""
    with attempt.create(f"documents/{attempt.stage}/{part.name}.parquet") as file:
        file.write(b"x")
    attempt.counters.update({f"pages_dropped.reason_{n}": n for n in range(30)})
    attempt.facts["oldest_transient"] = None


def parts_of(count: int) -> list[Part]:
    names = [f"CC-MAIN-20260101000000-20260101030000-{n:05d}-{n:012x}" for n in range(count)]
    return [Part(name=name, inputs=[f"crawl-data/{name}.warc.gz of 1000000000 bytes"]) for name in names]


def requested(count: int) -> LedgerEntry:
    """The requests of so many groups of hosts."""
    paths = [f"images/requests/{n:05d}-000.parquet" for n in range(count)]
    outputs = [Output(path=path, sha256=SHA256, bytes=1, rows=1) for path in paths]
    return LedgerEntry(
        stage="requests", part="all", fingerprint="-", inputs=[], outputs=outputs, counters={}, seconds=0, attempt=1
    )


def measured(figures: Figures, name: str, ledger: str) -> None:
    """Note how often the ledger was listed and its most-read entry read since the last time, and forget the rest."""
    figures[f"{name}_listings"] = most("list", f"ledger/{ledger}")
    figures[f"{name}_reads"] = most("read", f"ledger/{ledger}/")


def plant(run: Run, stage: Stage, parts: list[Part], like: LedgerEntry) -> None:
    """The stage's ledger and outputs, as if the parts had been worked off; `like` is the entry of one that was."""
    root = Path(run.full(""))
    (root / "ledger" / stage.name).mkdir(parents=True, exist_ok=True)
    (root / "documents" / stage.name).mkdir(parents=True, exist_ok=True)
    for part in parts:
        path = f"documents/{stage.name}/{part.name}.parquet"
        (root / path).write_bytes(b"x")
        output = like.outputs[0].model_copy(update={"path": path})
        entry = like.model_copy(update={"part": part.name, "inputs": part.inputs, "outputs": [output]})
        entry = entry.model_copy(update={"stage": stage.name})
        (root / "ledger" / stage.name / f"{part.name}.json").write_text(entry.model_dump_json(indent=1) + "\n")


def main(count: int, path: str) -> None:
    register()
    recipe = parse_recipe({"crawl": {"paths": ["-"]}}, "-")
    executor = Inline(Run.create(f"counted://{path}"), recipe, Progress())
    figures: Figures = {"parts": count}
    stage, parts = Stage(name="extract", fingerprint="-", process=touch), parts_of(count)
    like = commit(executor, stage, parts[:COMMITTED], figures)
    plant(executor.run, stage, parts, like)
    figures["idle_mib"] = process_mib("VmHWM")
    weigh(path, recipe, stage, parts, figures)
    operations()
    started = time.process_time()
    entries = executor.work_off(stage, parts)
    figures["found_done_seconds"] = time.process_time() - started
    measured(figures, "found_done", "extract")
    assert len(entries) == count
    fetch, settings, wanted = Stage(name="fetch", fingerprint="-", process=touch, keeps=True), Fetch(), requested(count)
    plant(executor.run, fetch, fetch_plan.plan(wanted, {}, "-", settings, datetime.now(UTC)), like)
    operations()
    started = time.process_time()
    assert len(fetch_in_waves(executor, wanted, settings, "-", count)) == count
    figures["fetch_found_done_seconds"] = time.process_time() - started
    measured(figures, "fetch_found_done", "fetch")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def weigh(path: str, recipe: Recipe, stage: Stage, parts: list[Part], figures: Figures) -> None:
    """What the stage's entries take while they are read, and then; on a store that does not note what was asked."""
    executor = Inline(Run.open(path), recipe, Progress())
    before = process_mib("VmRSS")
    entries = executor.work_off(stage, parts)
    figures["entries_mib"] = process_mib("VmRSS") - before
    figures["entries_peak_mib"] = process_mib("VmHWM") - before
    assert len(entries) == len(parts)


def commit(executor: Executor, stage: Stage, parts: list[Part], figures: Figures) -> LedgerEntry:
    """Work off some parts; the last one's entry."""
    operations()
    started = time.process_time()
    entries = executor.work_off(stage, parts)
    figures["commit_ms"] = (time.process_time() - started) * 1000 / len(parts)
    figures.update({f"{name}s_a_part": times / len(parts) for name, times in operations().items()})
    return list(entries.values())[-1]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
