"""A run of many parts without work: the driver's cost of the ledger.

    python -m benchmarks.scale.ledger PARTS RUN

It first runs a thousand parts that write one byte each in this process, and counts the operations of each. Then it
writes the ledgers of `extract` and `fetch` for PARTS parts, and checks both stages as a resumed build does; all parts
are done. Prints one line of JSON: CPU seconds, operations on the store, and MiB of a stage's entries.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.inline import InlineExecutor
from benchmarks.scale.counted import most, operations, register
from benchmarks.scale.meter import process_mib
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import NoSettings, settings_of
from m3w.pipeline.engine.stage import Part, PartStage, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.engine.table import Table
from m3w.pipeline.fetch.redirect_rounds import fetch_in_rounds, plan
from m3w.pipeline.fetch.stage import FetchSettings
from m3w.pipeline.recipe import parse_recipe
from m3w.pipeline.tables import INDEX, REQUESTS

Figures = dict[str, float]
TOUCHED = Table("touched")
SHA256 = "0" * 64
COMMITTED = 1000


@per_part(name="extract", writes=[TOUCHED])
def touch(io: StageIO, settings: NoSettings) -> None:
    """A part without work; its entry is as long as a real one of `extract`."""
    with io.create(TOUCHED) as file:
        file.write(b"x")
    io.counters.update({f"pages_dropped.reason_{n}": n for n in range(30)})


fetch_nothing: PartStage = replace(
    touch, name="fetch", settings=FetchSettings, writes=(INDEX,), incremental=True, rounds=fetch_in_rounds
)
"""The rounds of `fetch`; none of its parts runs, since all are done."""


def executor_of(run: Run) -> InlineExecutor:
    return InlineExecutor(run, Execution(), Progress())


def fetch_settings() -> FetchSettings:
    return settings_of(FetchSettings, parse_recipe({"crawl": {"paths": ["-"]}}, "-"))


def parts_of(count: int) -> list[Part]:
    names = [f"CC-MAIN-20260101000000-20260101030000-{n:05d}-{n:012x}" for n in range(count)]
    return [Part(name=name, inputs=[f"crawl-data/{name}.warc.gz of 1000000000 bytes"]) for name in names]


def requested(count: int) -> list[Output]:
    """The requests of `count` groups of hosts."""
    return [Output(path=REQUESTS.path(f"{n:05d}-000"), sha256=SHA256, bytes=1, rows=1) for n in range(count)]


def fetch_inputs(requests: list[Output]) -> Inputs:
    """The committed parts of the stage `fetch`."""
    entry = LedgerEntry(
        stage="requests", part="all", fingerprint="-", inputs=[], outputs=requests, counters={}, seconds=0, attempt=1
    )
    inputs = Inputs()
    inputs.put(REQUESTS, {"all": entry}, by_part=False)
    return inputs


def fetch_parts(requests: list[Output], known: dict[str, LedgerEntry] | None = None) -> list[Part]:
    """The parts of the first round of `fetch`."""
    settings = fetch_settings()
    return plan(requests, known or {}, fetch_nothing.fingerprint(settings), settings, datetime.now(UTC))


def measured(figures: Figures, name: str, ledger: str) -> None:
    """Record how often the ledger was listed and its most-read entry was read since the last call; reset the counts."""
    figures[f"{name}_listings"] = most("list", f"ledger/{ledger}")
    figures[f"{name}_reads"] = most("read", f"ledger/{ledger}/")


def plant(run: Run, stage: PartStage, fingerprint: str, parts: list[Part], like: LedgerEntry) -> None:
    """Write the stage's ledger and outputs as if its parts were done; `like` is the entry of a part that is."""
    root, (table,) = Path(run.full("")), stage.writes
    (root / "ledger" / stage.name).mkdir(parents=True, exist_ok=True)
    (root / table.folder).mkdir(parents=True, exist_ok=True)
    for part in parts:
        (root / table.path(part.name)).write_bytes(b"x")
        known = {name: part.params[name] for name in ("asks", "generation", "group") if name in part.params}
        changes = {
            "stage": stage.name,
            "part": part.name,
            "fingerprint": fingerprint,
            "inputs": part.inputs,
            "outputs": [like.outputs[0].model_copy(update={"path": table.path(part.name)})],
            "metadata": {**known, "oldest_transient": None} if known else {},
        }
        entry = like.model_copy(update=changes)
        (root / "ledger" / stage.name / f"{part.name}.json").write_text(entry.model_dump_json(indent=1) + "\n")


def main(count: int, path: str) -> None:
    register()
    executor, settings = executor_of(Run.create(f"counted://{path}")), fetch_settings()
    figures: Figures = {"parts": count}
    parts = parts_of(count)
    like = commit(executor, parts[:COMMITTED], figures)
    plant(executor.run, touch, touch.fingerprint(NoSettings()), parts, like)
    figures["idle_mib"] = process_mib("VmHWM")
    weigh(path, parts, figures)
    operations()
    started = time.process_time()
    entries = executor.run_parts(touch, NoSettings(), parts)
    figures["found_done_seconds"] = time.process_time() - started
    measured(figures, "found_done", "extract")
    assert len(entries) == count
    requests = requested(count)
    plant(executor.run, fetch_nothing, fetch_nothing.fingerprint(settings), fetch_parts(requests), like)
    operations()
    started = time.process_time()
    assert len(fetch_in_rounds(executor, fetch_nothing, settings, fetch_inputs(requests))) == count
    figures["fetch_found_done_seconds"] = time.process_time() - started
    measured(figures, "fetch_found_done", "fetch")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def weigh(path: str, parts: list[Part], figures: Figures) -> None:
    """MiB of the stage's entries while they are read, and afterwards, on a store that does not count its calls."""
    executor = executor_of(Run.open(path))
    before = process_mib("VmRSS")
    entries = executor.run_parts(touch, NoSettings(), parts)
    figures["entries_mib"] = process_mib("VmRSS") - before
    figures["entries_peak_mib"] = process_mib("VmHWM") - before
    assert len(entries) == len(parts)


def commit(executor: Executor, parts: list[Part], figures: Figures) -> LedgerEntry:
    """Run some parts; returns the entry of the last one."""
    operations()
    started = time.process_time()
    entries = executor.run_parts(touch, NoSettings(), parts)
    figures["commit_ms"] = (time.process_time() - started) * 1000 / len(parts)
    figures.update({f"{name}s_a_part": times / len(parts) for name, times in operations().items()})
    return list(entries.values())[-1]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
