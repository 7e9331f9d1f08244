"""Global grouping: rows from every part of a stage, brought together by a key, one Parquet file (or a few) a group.

See `m3w.pipeline.engine.shuffle` for how. Memory on the driver: the ledger entries of the parts, and a line for each
file written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.exceptions import RayError, UserCodeException

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.executor import Executor, StageFailed
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run, RunReference
from m3w.pipeline.engine.shuffle import InMemory, OnRayData, Rows
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.engine.workers import failed_part

ALL = "all"
"""The one part that most groupings have in the ledger."""
IN_ONE_TASK_BYTES = 32 * 2**20
"""Of the files that a grouping reads; a task that holds them in memory needs some ten times that."""
PARTS_A_TASK = 16


def _as_they_are(rows: Rows) -> Rows:
    return rows


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What is brought together, and what becomes of each group."""

    name: str
    fingerprint: str
    rows: Callable[[Run, LedgerEntry], pa.Table]
    """The rows of one committed part of the stage before, with a column `group`."""
    gather: Callable[[pa.Table], tuple[pa.Table, dict[str, int]]]
    """One group's rows (in no order to rely on) to the table that is written, and counters."""
    folder: str
    """Where the files go: `FOLDER/GROUP.parquet`."""
    steps: Callable[[Rows], Rows] = _as_they_are
    """What comes before the rows are gathered, where one shuffle is not enough. It leaves strings in `group`."""
    pieces: Callable[[pa.Table], Sequence[tuple[str, pa.Table]]] = lambda table: [("", table)]
    """A gathered table to the files that it becomes: what follows GROUP in the name of each, and its rows."""
    part: str = ALL
    """Its name in the ledger, where one stage has several groupings."""


def work_off(executor: Executor, grouping: Grouping, entries: Iterable[LedgerEntry]) -> LedgerEntry:
    """The ledger entry of a grouping over the committed `entries` of earlier stages; found there, or made."""
    run, entries = executor.run, list(entries)
    inputs = [f"{len(entries)} parts with outputs of sha256 {_digest(entries)}"]
    known = run.entries(grouping.name).get(grouping.part)
    same = known and known.fingerprint == grouping.fingerprint and known.inputs == inputs
    if known and same and not run.missing_outputs([known]):
        executor.progress.begin(grouping.name, total=1, done=1)
        executor.progress.end(grouping.name)
        return known
    executor.progress.begin(grouping.name, total=1, done=0)
    run.remove(f"ledger/{grouping.name}/{grouping.part}.json")
    run.remove(grouping.folder)
    started = time.perf_counter()
    attempt = Attempt(run, grouping.name, grouping.part)
    executor.start_ray()
    for output, counters in _groups_or_failed(executor, grouping, entries):
        attempt.add_published(output)
        attempt.counters.update(counters)
    entry = attempt.commit(grouping.fingerprint, inputs, time.perf_counter() - started)
    run.remove(f"ledger/{grouping.name}/failed/{grouping.part}.json")
    executor.progress.advance(entry)
    executor.progress.end(grouping.name)
    return entry


def _groups_or_failed(
    executor: Executor, grouping: Grouping, entries: list[LedgerEntry]
) -> list[tuple[Output, dict[str, int]]]:
    """As `_groups`. Nothing can go on without a grouping, so one that fails ends the build, with its traceback kept."""
    try:
        return _groups(executor, grouping, entries)
    except (RayError, UserCodeException) as error:
        part = Part(name=grouping.part, inputs=[f"{len(entries)} parts"])
        failed = failed_part(grouping.name, part, 1, error)
        executor.run.set_aside(failed)
        raise StageFailed(
            f"{grouping.name} failed: {failed.error}; see m3w status {executor.run.path}, mend the cause, build again"
        ) from error


def _groups(executor: Executor, grouping: Grouping, entries: list[LedgerEntry]) -> list[tuple[Output, dict[str, int]]]:
    """Every group's published files with its counters, by the file's name."""
    if not entries:
        return []
    items = [{"entry": _slim(entry).model_dump_json()} for entry in entries]
    if sum(output.bytes for entry in entries for output in entry.outputs) <= IN_ONE_TASK_BYTES:
        needs = executor.recipe.execution.of(grouping.name)
        task = _in_one_task.options(
            name=f"{grouping.name}/{grouping.part}",
            num_cpus=needs.cpus,
            memory=needs.memory_bytes,
            max_retries=executor.recipe.execution.deaths,
            retry_exceptions=[OSError],
        )
        results = ray.get(task.remote(executor.run.reference, grouping, items))
    else:
        read, write = _read_and_write(executor.run.reference, grouping)
        rows = OnRayData.of(items, read, items_a_task=PARTS_A_TASK, needs=executor.recipe.execution.of(grouping.name))
        results = grouping.steps(rows).by_group(write).table()
    found = [(Output.model_validate_json(row["output"]), dict(row["counters"])) for row in results.to_pylist()]
    return sorted(found, key=lambda result: result[0].path)


@ray.remote  # type: ignore[untyped-decorator]
def _in_one_task(run: RunReference, grouping: Grouping, items: list[dict[str, str]]) -> pa.Table:
    read, write = _read_and_write(run, grouping)
    results = grouping.steps(InMemory(read(pa.Table.from_pylist(items)))).by_group(write).table()
    return results if results.num_rows else _RESULT.empty_table()


_RESULT = pa.schema([("output", pa.string()), ("counters", pa.map_(pa.string(), pa.int64()))])


def _read_and_write(
    run: RunReference, grouping: Grouping
) -> tuple[Callable[[pa.Table], pa.Table], Callable[[pa.Table], pa.Table]]:
    """Ledger entries to rows, and a group's rows to published files."""
    rows, gather, pieces, folder = grouping.rows, grouping.gather, grouping.pieces, grouping.folder

    def read(batch: pa.Table) -> pa.Table:
        parts = [LedgerEntry.model_validate_json(text) for text in batch["entry"].to_pylist()]
        return pa.concat_tables(rows(Run(*run), part) for part in parts)

    def write(group: pa.Table) -> pa.Table:
        table, counters = gather(group)
        name = f"{folder}/{group['group'][0].as_py()}"
        outputs = [_write(Run(*run), f"{name}{suffix}.parquet", piece) for suffix, piece in pieces(table)]
        counts = [list(counters.items()), *([] for _ in outputs[1:])]
        return pa.table({"output": [o.model_dump_json() for o in outputs], "counters": counts}, schema=_RESULT)

    return read, write


def _slim(entry: LedgerEntry) -> LedgerEntry:
    """What the rows of a part are read by."""
    return entry.model_copy(update={"faults": [], "facts": {}, "counters": {}, "inputs": []})


def _write(run: Run, name: str, table: pa.Table) -> Output:
    attempt = Attempt(run, "group", name.replace("/", "-"))
    with attempt.create(name) as file:
        pq.write_table(table, file, compression="zstd")
        file.rows = table.num_rows
    return attempt.publish()[0]


def _digest(entries: list[LedgerEntry]) -> str:
    hashes: Any = hashlib.sha256()
    for entry in entries:
        for output in entry.outputs:
            hashes.update(f"{entry.part} {output.path} {output.sha256}\n".encode())
    return str(hashes.hexdigest())
