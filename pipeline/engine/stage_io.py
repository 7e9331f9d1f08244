"""A stage's access to its run: readers and writers of the tables that it declares, counters, drops.

A stage names tables, never paths; a table that its declaration does not name raises `UndeclaredTable`.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.engine.attempt import Attempt, Isolation
from m3w.pipeline.engine.drops import DROPS, Drop, DropExamples
from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.engine.output_files import BYTES, OutputFile, RowWriter, extended
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part, PartStage, Stage
from m3w.pipeline.engine.table import Table

BATCH_ROWS = 500
"""Rows that a reader holds at a time."""
QUARANTINE = Table(
    "quarantine",
    pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("offset", pa.int64(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("detail", pa.string()),
            pa.field("url", pa.string()),
        ]
    ),
    by_stage=True,
)
"""Input that could not be read, with its position."""


class UndeclaredTable(LookupError):
    """A stage used a table that its declaration does not name, so its result would depend on an undeclared input."""


class PartFiles:
    """The files of one part that a stage may read."""

    def __init__(self, run: Run, stage: Stage, part: Part):
        self._run, self._stage, self._part = run, stage, part
        tables = [declared.table for declared in stage.reads]
        self._paths = {**dict.fromkeys(tables, ()), **dict(zip(tables, part.files, strict=False))}

    @property
    def part(self) -> str:
        """The part's name."""
        return self._part.name

    def paths(self, table: Table) -> Sequence[str]:
        """The files of `table` that the part reads, relative to the run; empty if none was written for it."""
        if table not in self._paths:
            raise UndeclaredTable(f"{self._stage.name} reads {table.folder}, which its declaration does not name")
        return self._paths[table]

    def batches(
        self, table: Table, *, columns: Sequence[str] | None = None, size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows of the part in order, `size` at a time; only `columns`, if given."""
        for path in self.paths(table):
            with self._run.fs.open(self._run.full(path), "rb") as file:
                yield from pq.ParquetFile(file).iter_batches(batch_size=size, columns=columns)

    def rows(
        self, table: Table, *, columns: Sequence[str] | None = None, size: int = BATCH_ROWS
    ) -> Iterator[dict[str, Any]]:
        """The rows of the part in order; `size` of them are held in memory."""
        for batch in self.batches(table, columns=columns, size=size):
            yield from batch.to_pylist()

    def read(self, table: Table, *, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of the part, in memory at once; an empty table if it has none."""
        assert table.schema is not None
        tables = []
        for path in self.paths(table):
            with self._run.fs.open(self._run.full(path), "rb") as file:
                tables.append(pq.read_table(file, columns=columns))
        if tables:
            return pa.concat_tables(tables)
        empty = table.schema.empty_table()
        return empty.select(list(columns)) if columns is not None else empty

    def open(self, table: Table, path: str) -> BinaryIO:
        """Open a file of `table` by its path, which comes from the rows of another table."""
        if table not in self._paths or not table.holds(path) or posixpath.normpath(path) != path:
            raise UndeclaredTable(f"{self._stage.name} opens {path}, but its declaration has no table with this file")
        return cast(BinaryIO, self._run.fs.open(self._run.full(path), "rb"))


class StageIO(PartFiles):
    """One attempt at a part, as passed to the stage's function."""

    def __init__(self, attempt: Attempt, stage: PartStage, part: Part, isolation: Isolation, drops_per_reason: int):
        super().__init__(attempt.run, stage, part)
        self._attempt, self._drops = attempt, DropExamples(drops_per_reason)
        self._writable = set(stage.writes)
        self.isolation = isolation

    @property
    def params(self) -> dict[str, Any]:
        """The part's parameters from the plan."""
        return self._part.params

    @property
    def counters(self) -> Counter[str]:
        return self._attempt.counters

    @property
    def metadata(self) -> dict[str, Any]:
        """What the plan of a later stage needs to know; kept in the ledger."""
        return self._attempt.metadata

    @contextmanager
    def create(self, table: Table) -> Iterator[OutputFile]:
        """Create the part's file of a table that is not Parquet; the caller sets its `rows`."""
        if table not in self._writable:
            raise UndeclaredTable(f"{self._stage.name} writes {table.folder}, which its declaration does not name")
        with self._attempt.create(self.path(table)) as file:
            yield file

    @contextmanager
    def write(
        self, table: Table, *, like: Table | None = None, schema: pa.Schema | None = None, max_bytes: int = BYTES
    ) -> Iterator[RowWriter]:
        """Create the part's file of `table`, in row groups of about `max_bytes`.

        `schema` replaces and extends the table's own. Fields that the structs of `like`, a table that the part reads,
        have beyond the schema are added: the user's own signals.
        """
        schema = schema or table.schema
        assert schema is not None
        for path in self.paths(like)[:1] if like is not None else ():
            with self._run.fs.open(self._run.full(path), "rb") as file:
                schema = extended(schema, pq.read_schema(file))
        with self.create(table) as output, RowWriter(output, schema, max_bytes=max_bytes) as writer:
            yield writer

    def path(self, table: Table) -> str:
        """The path of the part's file of a table that the stage writes, relative to the run."""
        return table.path(self.part, self._stage.name)

    def drop(self, unit: str, drop: Drop) -> None:
        """Count a drop as `UNIT_dropped.REASON`, and keep it as an example if it is among those chosen."""
        self.count_dropped(unit, drop.reason)
        self._drops.add(drop)

    def count_dropped(self, unit: str, reason: str, count: int = 1) -> None:
        """Count drops without examples, or with only those that are passed to `example`."""
        self.counters[f"{unit}_dropped.{reason}"] += count

    def example(self, drop: Drop) -> None:
        """Add an example of a drop that `count_dropped` counted."""
        self._drops.add(drop)

    def fault(self, fault: Fault) -> None:
        """Count input that could not be read, and record its position in `quarantine/` and in the ledger."""
        self.counters[f"faults.{fault.reason}"] += 1
        self._attempt.faults.append(fault)

    def close(self) -> None:
        """Write the examples of drops and the quarantine, unless they are empty."""
        for table, rows in ((DROPS, self._drops.rows()), (QUARANTINE, [f.model_dump() for f in self._attempt.faults])):
            if rows:
                with self.write(table) as writer:
                    for row in rows:
                        writer.write(row)
