"""Random access to the sequences of a dataset through its Parquet documents, cut as the pipeline cuts them.

The order's shards are row groups here: reading a document means reading its row group's columns, so the groups of a
block (`shards_per_block` of them, each up to 128 MiB) stay in memory and samples are shuffled among them. Where a
document is cut depends on its texts and on the positions of its images alone; it is computed once and kept as an index
in the training's folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence as ListOf
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.schemas.cutting import sequences_of
from m3w.schemas.dataset import check_shards, open_dataset
from m3w.schemas.document import InterleavedDocument
from m3w.schemas.sequence import Sequence
from m3w.trainer.data.files import Files
from m3w.trainer.data.order import SampleAddress
from m3w.trainer.data.sequences import UnreadableSampleError

CUT_COLUMNS = ["document_id", "url", "texts", "images"]
"""The columns that decide where a document is cut."""

DOCUMENT_INDEX = pa.schema([("group", pa.int32()), ("row", pa.int32()), ("sequence", pa.int32())])
"""One row a sequence: the row group, the document's row in it, and the sequence's number in the document."""


class DocumentReader:
    """The sequences of one split of the dataset in `folder`, from its documents; indexed in `indexes`.

    Raises DatasetError if the folder has no `dataset.json`, or the split has no samples.
    """

    def __init__(
        self,
        folder: str,
        split: str,
        indexes: Path,
        *,
        images_per_sequence: int = 5,
        groups_in_memory: int = 16,
        files: Files | None = None,
    ) -> None:
        self._dataset = open_dataset(folder)
        self.folder, self.split = self._dataset.path, split
        self.shards = self._dataset.split(split).documents
        if not self.shards:
            raise ValueError(f"{self.folder} lists no documents of {split!r}, only sequences; leave data.read out")
        self._indexes, self._images = indexes, images_per_sequence
        self._files = files or Files()
        self._group = lru_cache(maxsize=groups_in_memory)(self._load_group)

    def make_indexes(self) -> None:
        """Write the missing indexes. One process must do so before any other reads."""
        self._indexes.mkdir(parents=True, exist_ok=True)
        for shard in range(len(self.shards)):
            target = self._index_path(shard)
            if not target.exists():
                partial = target.with_name(f".partial-{target.name}")
                pq.write_table(self._scan(shard), partial)
                partial.rename(target)

    @cached_property
    def _groups(self) -> list[tuple[int, int, pa.Table]]:
        """(file, row group, its rows of the index) of every row group with a sequence."""
        groups = []
        for shard in range(len(self.shards)):
            table = pq.read_table(self._index_path(shard), schema=DOCUMENT_INDEX)
            column = table["group"].to_numpy()
            for group in sorted(set(column.tolist())):
                start, stop = column.searchsorted(group), column.searchsorted(group, side="right")
                groups.append((shard, group, table.slice(start, stop - start)))
        return groups

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Sequences of each row group."""
        return tuple(rows.num_rows for _, _, rows in self._groups)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the files' contents and of how they are cut: it identifies the samples."""
        contents = "\n".join([*(shard.sha256 for shard in self.shards), f"{self.shard_sizes}"])
        return hashlib.sha256(contents.encode()).hexdigest()

    def check_shards(self, *, contents: bool = False) -> None:
        """Raises DatasetError for the first file that is missing, cut short or, with `contents`, altered."""
        check_shards(map(self._dataset.file, self.shards), contents=contents)

    def read(self, address: SampleAddress) -> Sequence:
        """The sequence at `address`; raises UnreadableSampleError if its document cannot be cut."""
        shard, group, rows = self._groups[address.shard]
        entry = rows.slice(address.row, 1).to_pylist()[0]
        row = self._group(shard, group).slice(entry["row"], 1).to_pylist()[0]
        try:
            sequence: Sequence = self._cut(row, row["image_bytes"])[entry["sequence"]]
            return sequence
        except (ValueError, TypeError, IndexError) as error:
            raise UnreadableSampleError(f"{row['document_id']} of {self.shards[shard].path}: {error}") from error

    def expect(self, shards: ListOf[int]) -> None:
        """Hint: the row groups that will be read next, soonest first."""
        files = dict.fromkeys(self._groups[shard][0] for shard in shards)
        self._files.expect([self._dataset.file(self.shards[file]) for file in files])

    def _cut(self, row: dict[str, Any], image_bytes: list[bytes | None]) -> list[Sequence]:
        return list(sequences_of(InterleavedDocument.from_row(row), image_bytes, self._images))

    def _load_group(self, shard: int, group: int) -> pa.Table:
        with self._files.open(self._dataset.file(self.shards[shard])) as file:
            return pq.ParquetFile(file).read_row_group(group, columns=[*CUT_COLUMNS, "image_bytes"])

    def _scan(self, shard: int) -> pa.Table:
        """The index of one file. A document that cannot be cut has no sequence, as in the pipeline."""
        entries: list[dict[str, int]] = []
        with self._files.open(self._dataset.file(self.shards[shard])) as opened:
            file = pq.ParquetFile(opened)
            for group in range(file.num_row_groups):
                for row, document in enumerate(file.read_row_group(group, columns=CUT_COLUMNS).to_pylist()):
                    # The cuts depend on where images stand, not on their bytes.
                    cut = self._cut(document, [None] * len(document["images"]))
                    entries += [{"group": group, "row": row, "sequence": number} for number in range(len(cut))]
        return pa.Table.from_pylist(entries, schema=DOCUMENT_INDEX)

    def _index_path(self, shard: int) -> Path:
        """Named after the file's content: a file that was written again is indexed again."""
        name = Path(self.shards[shard].path).stem
        return self._indexes / f"{name}-{self.shards[shard].sha256[:16]}-{self._images}.parquet"
