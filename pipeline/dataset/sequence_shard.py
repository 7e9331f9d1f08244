"""A tar of sequences as webdataset reads it, and the index beside it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from m3w.pipeline.engine.output_files import OutputFile, TarWriter
from m3w.schemas.sequence import INDEX_SCHEMA, Sequence, encode_sample
from m3w.schemas.table import to_table


class SequenceShardWriter(TarWriter):
    """Writes samples one behind another, the members of each side by side, and remembers where they lie."""

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
