"""Global grouping by Ray Data: rows from every part, brought together by a key, one Parquet file a group.

Sorting shuffle, not hashing: at the sizes of one machine it takes a third of the time (a groupby of 8,000 rows on
2 cores: 2.8 s against 8.5 s), and its result does not depend on the number of workers either.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.attempt import Attempt
from pipeline.executor import Executor
from pipeline.ledger import LedgerEntry, Output
from pipeline.run import Run

ALL = "all"
"""The one part that most groupings have in the ledger."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What is brought together, and what becomes of each group."""

    name: str
    fingerprint: str
    rows: Callable[[Run, LedgerEntry], pa.Table]
    """The rows of one committed part of the stage before, with a string column `group`."""
    gather: Callable[[pa.Table], tuple[pa.Table, dict[str, int]]]
    """One group's rows (in no order to rely on) to the table that is written, and counters."""
    folder: str
    """Where the files go: `FOLDER/GROUP.parquet`."""
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
    for output, counters in _groups(run, grouping, entries):
        attempt.add_published(output)
        attempt.counters.update(counters)
    entry = attempt.commit(grouping.fingerprint, inputs, time.perf_counter() - started)
    executor.progress.advance(entry)
    executor.progress.end(grouping.name)
    return entry


def _groups(run: Run, grouping: Grouping, entries: list[LedgerEntry]) -> list[tuple[Output, dict[str, int]]]:
    """Every group's published file with its counters, by the file's name."""
    if not entries:
        return []
    import ray.data
    from ray.data.context import DataContext, ShuffleStrategy

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    path, folder = run.path, grouping.folder
    rows, gather, pieces = grouping.rows, grouping.gather, grouping.pieces

    def read(batch: pa.Table) -> pa.Table:
        parts = [LedgerEntry.model_validate_json(text) for text in batch["entry"].to_pylist()]
        return pa.concat_tables(rows(Run(path), part) for part in parts)

    def write(group: pa.Table) -> pa.Table:
        table, counters = gather(group)
        name = f"{folder}/{group['group'][0].as_py()}"
        outputs = [_write(Run(path), f"{name}{suffix}.parquet", piece) for suffix, piece in pieces(table)]
        counts = [list(counters.items()), *([] for _ in outputs[1:])]
        return pa.table({"output": [o.model_dump_json() for o in outputs], "counters": counts}, schema=_RESULT)

    dataset = ray.data.from_items([{"entry": entry.model_dump_json()} for entry in entries])
    dataset = dataset.map_batches(read, batch_size=16, batch_format="pyarrow")
    results = dataset.groupby("group").map_groups(write, batch_format="pyarrow").take_all()
    found = [(Output.model_validate_json(row["output"]), dict(row["counters"])) for row in results]
    return sorted(found, key=lambda result: result[0].path)


_RESULT = pa.schema([("output", pa.string()), ("counters", pa.map_(pa.string(), pa.int64()))])


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
