"""Random access to the sequences of a dataset: sample i of a shard without reading the i - 1 before it.

`dataset.json` says which shards a split has and how many samples each holds; a shard's sidecar index says
where each member's bytes start. Only the indexes of shards in use are in memory. Paths are fsspec paths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from schemas.manifest import Manifest, SequenceShard
from schemas.sequence import INDEX_SCHEMA, Sequence, decode_sample
from trainer.data.order import SampleAddress

_INDEXES_IN_MEMORY = 64
"""Of a reader's shards; an index takes about 0.1 % of its shard, so 64 of 512 MiB come to some 30 MiB."""

_HASH_BLOCK = 2**22


class UnreadableSampleError(ValueError):
    """A sample whose bytes are not a sequence: the loader counts it and takes another."""


class SequenceReader:
    """The sequences of one split of the dataset in `folder`.

    Raises ValueError if the folder has no `dataset.json`, the split has no samples, or a shard is missing or
    not as long as the manifest says.
    """

    def __init__(self, folder: str, split: str) -> None:
        self.folder = folder.rstrip("/")
        self.split = split
        self._root = fsspec.core.url_to_fs(self.folder)[1]
        self.shards = self._list_shards()
        self._read_index = lru_cache(maxsize=_INDEXES_IN_MEMORY)(self._load_index)

    @property
    def _files(self) -> AbstractFileSystem:
        """Asked for anew (fsspec keeps it by process): a connection doesn't survive the fork of a loader worker."""
        return fsspec.core.url_to_fs(self.folder)[0]

    def _list_shards(self) -> list[SequenceShard]:
        path = f"{self._root}/dataset.json"
        if not self._files.exists(path):
            raise ValueError(
                f"{self.folder} holds no dataset.json, so it is not a dataset; "
                "name the `dataset` folder of a finished run, or build one with `m3w build`"
            )
        manifest = Manifest.from_json(self._files.cat_file(path), path=f"{self.folder}/dataset.json")
        splits = manifest.splits
        shards = splits[self.split].sequences if self.split in splits else []
        if not sum(shard.samples for shard in shards):
            raise ValueError(
                f"{self.folder} has no sequences in its split {self.split!r} (splits: {sorted(splits)}); "
                "build the dataset from more pages"
            )
        return shards

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Samples of each shard, in the manifest's order."""
        return tuple(shard.samples for shard in self.shards)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what the samples are, shard by shard: two datasets of one fingerprint train alike."""
        contents = "\n".join(f"{shard.sha256} {shard.samples}" for shard in self.shards)
        return hashlib.sha256(contents.encode()).hexdigest()

    def check_shards(self, *, contents: bool = False) -> None:
        """Raises ValueError for the first shard that is missing, cut short or, with `contents`, altered.

        Lengths cost one look-up a shard; contents cost reading all of them.
        """
        for shard in self.shards:
            path = f"{self._root}/{shard.path}"
            if not self._files.exists(path):
                raise ValueError(f"{path} is missing, though dataset.json names it; copy the dataset again")
            size = self._files.size(path)
            if size != shard.bytes:
                raise ValueError(
                    f"{path} has {size} bytes, dataset.json says {shard.bytes}: "
                    "it was cut short or changed; copy the shard again"
                )
            if contents and self._sha256(path) != shard.sha256:
                raise ValueError(f"{path} does not have the SHA-256 {shard.sha256} of dataset.json; copy it again")

    def _sha256(self, path: str) -> str:
        digest = hashlib.sha256()
        with self._files.open(path, "rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def read(self, address: SampleAddress) -> Sequence:
        """The sequence at `address`; raises UnreadableSampleError if its bytes are not one."""
        shard = self.shards[address.shard]
        row = self._read_index(address.shard).slice(address.row, 1).to_pylist()[0]
        start = row["offset"]
        content = self._files.cat_file(f"{self._root}/{shard.path}", start=start, end=start + row["size"])
        try:
            return decode_sample(_split_members(row, content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableSampleError(f"sample {row['key']} of {shard.path}: {error}") from error

    def _load_index(self, shard: int) -> pa.Table:
        entry = self.shards[shard]
        path = f"{self._root}/{entry.index}"
        with self._files.open(path, "rb") as file:
            table = pq.read_table(file, schema=INDEX_SCHEMA)
        if table.num_rows != entry.samples:
            raise ValueError(
                f"{path} indexes {table.num_rows} samples, dataset.json says {entry.samples}; copy the index again"
            )
        return table


def addresses(reader: SequenceReader) -> Iterator[SampleAddress]:
    """Every sample's, in the order of the shards."""
    return (SampleAddress(shard, row) for shard, size in enumerate(reader.shard_sizes) for row in range(size))


def _split_members(row: dict[str, Any], content: bytes) -> dict[str, bytes]:
    """The sample's members by suffix: what `webdataset` would give for it, the headers left out."""
    start = row["offset"]
    members = {}
    for member in row["members"]:
        first = member["offset"] - start
        members[member["suffix"]] = content[first : first + member["size"]]
    return members
