"""Image-text pairs in tars in the format of img2dataset, LAION and COYO: `KEY.jpg`, `KEY.txt`, `KEY.json` a pair.

Such tars have no index. The first training on a tar builds one from its headers and keeps it in its own folder. With it
pairs are read like sequences: sample i of a shard without the i - 1 before it. Paths are fsspec paths.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from m3w.schemas.dataset import ShardFile
from m3w.schemas.document import OK, ImageReference
from m3w.schemas.sequence import Sequence as SequenceSample
from m3w.trainer.data.files import Files
from m3w.trainer.data.order import SampleAddress
from m3w.trainer.data.sequences import UnreadableSampleError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp")
VIDEO_SUFFIXES = ("mp4", "webm", "mkv", "mov", "avi")
"""Suffixes of the medium beside a text. If a pair has several media, the last one in the tar is used."""
CAPTION_KEYS = ("caption", "text", "alt_text")
"""Keys of the `json` that may hold the text of a pair without a `txt`, in order of preference."""
EXTENT = pa.struct([("offset", pa.int64()), ("size", pa.int64())])
PAIR_INDEX = pa.schema([("key", pa.string()), ("image", EXTENT), ("text", EXTENT), ("fields", EXTENT)])
"""One row for each pair: offset and size of each member in the tar; null if the pair lacks it."""
_INDEXES_IN_MEMORY = 64


class PairReader:
    """The pairs of the tars that `shards` names (paths and globs), indexed in `indexes`.

    Raises ValueError if there is none, or none with a pair.
    """

    def __init__(
        self,
        shards: Sequence[str],
        indexes: Path,
        files: Files | None = None,
        *,
        suffixes: Sequence[str] = IMAGE_SUFFIXES,
    ) -> None:
        self.folder = ", ".join(shards)
        self.paths = sorted({path for pattern in shards for path in _expanded(pattern)})
        if not self.paths:
            raise ValueError(f"no file matches {self.folder}, so there are no pairs; give the paths of tars")
        self._indexes = indexes
        self._files, self._suffixes = files or Files(), suffixes
        self._shard_file = lru_cache(maxsize=None)(_shard_file)
        self._rows = lru_cache(maxsize=_INDEXES_IN_MEMORY)(self._load_index)

    def make_indexes(self) -> None:
        """Write the missing indexes. One process must do so before any other reads."""
        self._indexes.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(self.paths):
            target = self._index_path(path)
            if not target.exists():
                rows, skipped = _scan(path, self._suffixes)
                partial = target.with_name(f".partial-{target.name}")
                pq.write_table(pa.Table.from_pylist(rows, schema=PAIR_INDEX), partial)
                partial.rename(target)
                note = f", {skipped} without an image or a text left out" if skipped else ""
                log.info("indexed %s (%d of %d): %d pairs%s", path, number + 1, len(self.paths), len(rows), note)

    @cached_property
    def shard_sizes(self) -> tuple[int, ...]:
        """Pairs of each tar, in the order of their paths. Raises ValueError if there are none at all."""
        sizes = tuple(pq.read_metadata(self._index_path(path)).num_rows for path in self.paths)
        if not sum(sizes):
            raise ValueError(f"the {len(sizes)} tars of {self.folder} hold no pair of an image and a text")
        return sizes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the indexes: keys, offsets and sizes of the pairs, tar by tar."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(hashlib.sha256(self._index_path(path).read_bytes()).digest())
        return digest.hexdigest()

    def read(self, address: SampleAddress) -> SequenceSample:
        """The pair at `address` as a sequence of one image, followed by its text."""
        path = self.paths[address.shard]
        row = self._rows(address.shard).slice(address.row, 1).to_pylist()[0]
        image, text = self._content(path, row["image"]), self._content(path, row["text"] or row["fields"])
        try:
            caption = text.decode("utf-8") if row["text"] else _caption(json.loads(text))
        except (ValueError, AttributeError) as error:
            raise UnreadableSampleError(f"the text of {row['key']} in {path}: {error}") from error
        if not caption or not caption.strip():
            raise UnreadableSampleError(f"{row['key']} in {path} has no text")
        return SequenceSample(
            document_id=row["key"],
            url=path,
            sequence=0,
            texts=[None, caption.strip()],
            images=[ImageReference(url=path, status=OK), None],
            image_bytes=[image],
        )

    def expect(self, shards: Sequence[int]) -> None:
        """Hint: the tars that will be read next, soonest first."""
        self._files.expect([self._shard_file(self.paths[shard]) for shard in shards])

    def _content(self, path: str, extent: dict[str, int]) -> bytes:
        return self._files.read(self._shard_file(path), extent["offset"], extent["size"])

    def _load_index(self, shard: int) -> pa.Table:
        return pq.read_table(self._index_path(self.paths[shard]), schema=PAIR_INDEX)

    def _index_path(self, path: str) -> Path:
        """Named after the tar's path and length: a tar that was written again is indexed again."""
        files, root = fsspec.core.url_to_fs(path)
        name = hashlib.sha256(f"{path} {files.size(root)}".encode()).hexdigest()[:16]
        return self._indexes / f"{PurePosixPath(root).stem}-{name}.parquet"


def _shard_file(path: str) -> ShardFile:
    files, root = fsspec.core.url_to_fs(path)
    return ShardFile(path, int(files.size(root)))


def _expanded(pattern: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(pattern)
    return [str(files.unstrip_protocol(path)) for path in files.glob(root)]


def _scan(path: str, suffixes: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """The rows of a tar's index, and the number of keys without an image or a text. Raises ValueError for no tar."""
    rows: dict[str, dict[str, Any]] = {}
    try:
        with fsspec.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            if file.seek(0, 2) % tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it ends within a block")
            for key, field, extent in _members(tar, suffixes):
                rows.setdefault(key, {"key": key, "image": None, "text": None, "fields": None})[field] = extent
    except tarfile.TarError as error:
        raise ValueError(f"{path} is not a whole tar ({error}), so its pairs cannot be found; copy it again") from error
    pairs = [row for row in rows.values() if row["image"] and (row["text"] or row["fields"])]
    return pairs, len(rows) - len(pairs)


def _members(tar: tarfile.TarFile, suffixes: Sequence[str]) -> Iterator[tuple[str, str, dict[str, int]]]:
    for member in tar:
        key, _, suffix = member.name.partition(".")
        suffix = suffix.lower()
        field = "image" if suffix in suffixes else {"txt": "text", "json": "fields"}.get(suffix)
        if member.isfile() and field:
            yield key, field, {"offset": member.offset_data, "size": member.size}


def _caption(fields: dict[str, Any]) -> str | None:
    return next((str(fields[key]) for key in CAPTION_KEYS if fields.get(key)), None)
