"""Random access to the sequences of a dataset: sample i of a shard without reading the i - 1 before it.

`dataset.json` lists the shards of a split and the number of samples in each; a shard's sidecar index has the offset of
each member. Only the indexes of shards in use are in memory. Paths are fsspec paths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Sequence as ListOf
from functools import cached_property, lru_cache
from typing import Any, Protocol

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from m3w.schemas.dataset import check_shards, open_dataset
from m3w.schemas.sequence import INDEX_SCHEMA, Sequence, decode_sample
from m3w.trainer.data.files import Files
from m3w.trainer.data.order import SampleAddress

_INDEXES_IN_MEMORY = 64
"""Indexes that a reader keeps. One takes about 0.1 % of its shard: 64 of shards of 512 MiB come to some 30 MiB."""


class UnreadableSampleError(ValueError):
    """A sample whose bytes are not a sequence. The loader counts it and replaces it."""


class SampleReader(Protocol):
    """A source of samples, each a sequence."""

    folder: str

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Samples of each shard."""

    @property
    def fingerprint(self) -> str:
        """Identifies the samples: readers with one fingerprint train alike."""

    def read(self, address: SampleAddress) -> Sequence:
        """The sample at `address`. Raises UnreadableSampleError if its bytes are not a sequence."""

    def expect(self, shards: ListOf[int]) -> None:
        """Hint: the shards that will be read next, soonest first."""


class DatasetReader(SampleReader, Protocol):
    """A reader of a split of a dataset."""

    def check_shards(self, *, contents: bool = False) -> None:
        """Raises DatasetError for the first shard that is missing, cut short or, with `contents`, altered."""


class SequenceReader:
    """The sequences of one split of the dataset in `folder`, from its tars.

    Raises DatasetError if the folder has no `dataset.json`, or the split has no samples.
    """

    def __init__(self, folder: str, split: str, files: Files | None = None) -> None:
        self._dataset = open_dataset(folder)
        self.folder = self._dataset.path
        self.split = split
        self.shards = self._dataset.split(split).sequences
        self._files = files or Files()
        self._read_index = lru_cache(maxsize=_INDEXES_IN_MEMORY)(self._load_index)

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Samples of each shard, in the manifest's order."""
        return tuple(shard.samples for shard in self.shards)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the shards' contents, in order: it identifies the samples."""
        contents = "\n".join(f"{shard.sha256} {shard.samples}" for shard in self.shards)
        return hashlib.sha256(contents.encode()).hexdigest()

    def check_shards(self, *, contents: bool = False) -> None:
        """Raises DatasetError for the first shard that is missing, cut short or, with `contents`, altered."""
        check_shards(map(self._dataset.file, self.shards), contents=contents)

    def read(self, address: SampleAddress) -> Sequence:
        """The sequence at `address`. Raises UnreadableSampleError if its bytes are not a sequence."""
        shard = self.shards[address.shard]
        row = self._read_index(address.shard).slice(address.row, 1).to_pylist()[0]
        content = self._files.read(self._dataset.file(shard), row["offset"], row["size"])
        try:
            return decode_sample(_split_members(row, content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableSampleError(f"sample {row['key']} of {shard.path}: {error}") from error

    def expect(self, shards: ListOf[int]) -> None:
        """Hint: the shards that will be read next, soonest first."""
        self._files.expect([self._dataset.file(self.shards[shard]) for shard in shards])

    def _load_index(self, shard: int) -> pa.Table:
        entry = self.shards[shard]
        path = self._dataset.url(entry.index)
        with fsspec.open(path, "rb") as file:
            table = pq.read_table(file, schema=INDEX_SCHEMA)
        if table.num_rows != entry.samples:
            raise ValueError(
                f"{path} indexes {table.num_rows} samples, dataset.json says {entry.samples}; copy the index again"
            )
        return table


def addresses(reader: SampleReader) -> Iterator[SampleAddress]:
    """The addresses of all samples, shard by shard."""
    return (SampleAddress(shard, row) for shard, size in enumerate(reader.shard_sizes) for row in range(size))


def _split_members(row: dict[str, Any], content: bytes) -> dict[str, bytes]:
    """The members of a sample by suffix, as `webdataset` gives them, without headers."""
    start = row["offset"]
    members = {}
    for member in row["members"]:
        first = member["offset"] - start
        members[member["suffix"]] = content[first : first + member["size"]]
    return members
