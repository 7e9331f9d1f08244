"""Rows to a Parquet file under a schema, a bounded number of bytes at a time."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.engine.attempt import OutputFile
from m3w.pipeline.engine.run import Run
from m3w.schemas.table import to_table

ROWS = 1000
BYTES = 32 * 2**20


class RowWriter:
    """Writes rows as row groups of at most `rows` rows and about `max_bytes` bytes, so that memory stays flat.

    A row that breaks `schema` raises `m3w.schemas.table.SchemaError`.
    """

    def __init__(self, file: OutputFile, schema: pa.Schema, *, rows: int = ROWS, max_bytes: int = BYTES):
        self._file, self._schema = file, schema
        self._max_rows, self._max_bytes = rows, max_bytes
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")

    def write(self, row: dict[str, Any]) -> None:
        size = _size(row)
        if self._rows and self._bytes + size > self._max_bytes:
            self._flush()
        self._rows.append(row)
        self._bytes += size
        if len(self._rows) >= self._max_rows:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(to_table(self._rows, self._schema))
            self._file.rows += len(self._rows)
            self._rows, self._bytes = [], 0


def _size(value: Any) -> int:
    """Bytes that a row's strings and buffers hold, roughly."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list):
        return sum(map(_size, value))
    return 8


def rows_if_there(run: Run, name: str) -> list[dict[str, Any]]:
    """The rows of a file of the run; none where it is not there: a grouping writes no file for a part without rows."""
    if not run.exists(name):
        return []
    with run.fs.open(run.full(name), "rb") as file:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows
