"""A tar of sequences, written by webdataset, and the index beside it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import webdataset

from pipeline.attempt import OutputFile
from schemas.sequence import INDEX_SCHEMA, Sequence, encode_sample
from schemas.table import to_table

BLOCK = 512


class SequenceShardWriter:
    """Writes samples to a tar with nothing in it that a clock or a user's name could change."""

    def __init__(self, file: OutputFile):
        self._file = file
        self._tar = webdataset.TarWriter(file, user="m3w", group="m3w", encoder=False, mtime=0)
        self._rows: list[dict[str, Any]] = []
        self.images = 0

    def write(self, sequence: Sequence) -> None:
        sample = encode_sample(sequence)
        start = self._tar.tarstream.offset
        members, offset = [], start
        for suffix in sorted(name for name in sample if name != "__key__"):
            size = len(sample[suffix])
            members.append({"suffix": suffix, "offset": offset + BLOCK, "size": size})
            offset += BLOCK + -(-size // BLOCK) * BLOCK
        self._tar.write(sample)
        assert self._tar.tarstream.offset == offset, "the tar holds more than one header block a member"
        row = {"key": sequence.key, "document_id": sequence.document_id, "offset": start, "size": offset - start}
        self._rows.append({**row, "members": members})
        self._file.rows += 1
        self.images += len(sequence.image_bytes)

    def index(self) -> pa.Table:
        return to_table(self._rows, INDEX_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tar.close()


def write_index(file: OutputFile, index: pa.Table) -> None:
    pq.write_table(index, file, compression="zstd")
    file.rows = index.num_rows
