"""A dataset's folder: what its `dataset.json` says, and whether the shards are as it says. Paths are fsspec paths."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import fsspec

from m3w.schemas.manifest import DocumentShard, Manifest, SequenceShard, Split
from m3w.trainer.data.cache import ShardFile

_HASH_BLOCK = 2**22


def read_split(folder: str, split: str) -> Split:
    """What `dataset.json` lists for `split`; raises ValueError if there is none, or the split has no sequences."""
    files, root = fsspec.core.url_to_fs(folder)
    path = f"{root}/dataset.json"
    if not files.exists(path):
        raise ValueError(
            f"{folder} holds no dataset.json, so it is not a dataset; "
            "name the `dataset` folder of a finished run, or build one with `m3w build`"
        )
    splits = Manifest.from_json(files.cat_file(path), path=f"{folder}/dataset.json").splits
    found = splits.get(split, Split())
    if not sum(shard.samples for shard in found.sequences):
        raise ValueError(
            f"{folder} has no sequences in its split {split!r} (splits: {sorted(splits)}); "
            "build the dataset from more pages"
        )
    return found


def shard_file(folder: str, shard: DocumentShard | SequenceShard) -> ShardFile:
    """Where the shard lies and what it must be."""
    return ShardFile(f"{folder}/{shard.path}", shard.bytes, shard.sha256)


def check_shards(files: Sequence[ShardFile], *, contents: bool = False) -> None:
    """Raises ValueError for the first shard that is missing, cut short or, with `contents`, altered.

    Lengths cost one look-up a shard; contents cost reading all of them.
    """
    for file in files:
        system, path = fsspec.core.url_to_fs(file.path)
        if not system.exists(path):
            raise ValueError(f"{file.path} is missing, though dataset.json names it; copy the dataset again")
        size = system.size(path)
        if size != file.bytes:
            raise ValueError(
                f"{file.path} has {size} bytes, dataset.json says {file.bytes}: "
                "it was cut short or changed; copy the shard again"
            )
        if contents and _sha256(file.path) != file.sha256:
            raise ValueError(f"{file.path} does not have the SHA-256 {file.sha256} of dataset.json; copy it again")


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
