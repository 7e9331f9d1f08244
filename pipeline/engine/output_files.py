"""Files that a part writes: bytes with their hash, rows as Parquet, members of a tar.

Tars are written by the standard library's tarfile: `webdataset.TarWriter` writes the same bytes, but importing
webdataset imports torch, which would cost every worker 2 s and 200 MiB.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from types import TracebackType
from typing import IO, Any, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.schemas.table import to_table

ROWS = 1000
BYTES = 32 * 2**20
TAR_COPY_BYTES = 2**24
"""Bytes of a member per write; the default is 16 KiB."""


class OutputFile:
    """A file that computes its SHA-256 and size while it is written; the writer sets `rows`."""

    def __init__(self, file: IO[bytes]):
        self._file, self.sha256, self.written, self.rows = file, hashlib.sha256(), 0, 0
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.sha256.update(view)
        self.written += len(view)
        self._file.write(view)
        return len(view)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


class RowWriter:
    """Writes rows in row groups of at most `rows` rows and about `max_bytes` bytes, which bounds memory.

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

    def write_columns(self, columns: pa.Table | pa.RecordBatch) -> None:
        """Write rows that are already columns, as row groups of their own."""
        self._flush()
        write = self._writer.write_batch if isinstance(columns, pa.RecordBatch) else self._writer.write_table
        write(columns)
        self._file.rows += columns.num_rows

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
    """Approximate bytes of a row: its strings and buffers."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list):
        return sum(map(_size, value))
    return 8


class TarWriter:
    """Writes members without owner, time or permissions, so that the tar's bytes depend on its contents alone."""

    def __init__(self, file: OutputFile):
        self._tar = tarfile.TarFile(
            fileobj=cast(Any, file), mode="w", format=tarfile.USTAR_FORMAT, copybufsize=TAR_COPY_BYTES
        )

    @property
    def end(self) -> int:
        """Bytes written so far: where the next member's header begins."""
        return self._tar.offset

    def add(self, name: str, content: bytes) -> int:
        """Append a member; returns the offset of its content in the tar."""
        member = tarfile.TarInfo(name)
        member.size = len(content)
        offset = self.end + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(content))
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tar.close()


def extended(schema: pa.Schema, file: pa.Schema) -> pa.Schema:
    """`schema` with the fields added that the structs of `file` have beyond its own: the user's own signals."""
    for index, field in enumerate(schema):
        index_in_file = file.get_field_index(field.name)
        if index_in_file >= 0 and pa.types.is_struct(field.type):
            names = {inner.name for inner in field.type}
            more = [inner for inner in file.field(index_in_file).type if inner.name not in names]
            if more:
                schema = schema.set(index, field.with_type(pa.struct([*field.type, *more])))
    return schema
