"""A tar of sequences as webdataset reads it, and the index beside it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.engine.attempt import OutputFile
from m3w.pipeline.engine.tar import TarWriter
from m3w.schemas.sequence import INDEX_SCHEMA, Sequence, encode_sample
from m3w.schemas.table import to_table


class SequenceShardWriter(TarWriter):
    """Writes samples one behind another, the members of each side by side, and remembers their places."""

    def __init__(self, file: OutputFile):
        super().__init__(file)
        self._file = file
        self._rows: list[dict[str, Any]] = []

    def write(self, sequence: Sequence) -> None:
        start = self.end
        members = [
            {"suffix": suffix, "offset": self.add(f"{sequence.key}.{suffix}", content), "size": len(content)}
            for suffix, content in sorted(encode_sample(sequence).items())
        ]
        row = {"key": sequence.key, "document_id": sequence.document_id, "offset": start, "size": self.end - start}
        self._rows.append({**row, "members": members})
        self._file.rows += 1

    def index(self) -> pa.Table:
        return to_table(self._rows, INDEX_SCHEMA)


def write_index(file: OutputFile, index: pa.Table) -> None:
    pq.write_table(index, file, compression="zstd")
    file.rows = index.num_rows
