"""Reads a dataset's folder on any fsspec path: manifest, splits, columns, Parquet files, shards.

Opening reads only `dataset.json`. Both the pipeline and the trainer open datasets here.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from m3w.schemas.manifest import DatasetError, DocumentShard, Manifest, SequenceShard, Split

MANIFEST = "dataset.json"
_HASH_BLOCK = 2**22


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file of a dataset, with its expected size and hash."""

    path: str
    """An fsspec path."""
    bytes: int
    sha256: str | None = None
    """None: unknown, so only the size is checked."""

    @property
    def name(self) -> str:
        """A file name that depends on path and content: a shard that was rewritten has another one."""
        digest = hashlib.sha256(f"{self.path} {self.bytes} {self.sha256}".encode()).hexdigest()[:16]
        return f"{digest}-{PurePosixPath(self.path).name}"


class Dataset:
    """A dataset and its manifest; opened with `open_dataset`."""

    def __init__(self, path: str, fs: AbstractFileSystem, root: str, manifest: Manifest):
        self.path, self.manifest = path, manifest
        self.fs, self.root = fs, root
        """The file system, and the dataset's folder in it."""

    @property
    def document_shards(self) -> list[DocumentShard]:
        """Of all splits, in the manifest's order."""
        return [shard for split in self.manifest.splits.values() for shard in split.documents]

    @property
    def sequence_shards(self) -> list[SequenceShard]:
        """Of all splits, in the manifest's order."""
        return [shard for split in self.manifest.splits.values() for shard in split.sequences]

    @property
    def documents(self) -> int:
        return sum(shard.documents for shard in self.document_shards)

    def split(self, name: str) -> Split:
        """The split `name`. Raises `DatasetError` if it has no sequences."""
        splits = self.manifest.splits
        split = splits.get(name, Split())
        if not sum(shard.samples for shard in split.sequences):
            raise DatasetError(
                f"{self.path} has no sequences in its split {name!r} (splits: {sorted(splits)}); "
                "build the dataset from more pages"
            )
        return split

    def url(self, name: str) -> str:
        """The fsspec path of a file of the dataset."""
        return posixpath.join(self.path, name)

    def file(self, shard: DocumentShard | SequenceShard) -> ShardFile:
        return ShardFile(self.url(shard.path), shard.bytes, shard.sha256)

    def columns(self, name: str, columns: Sequence[str], *, rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """Batches of only these columns of one Parquet file, at most `rows` rows at a time.

        Raises `DatasetError` for a file that is missing or cannot be read.
        """
        with self.open_parquet(name) as file:
            try:
                yield from file.iter_batches(batch_size=rows, columns=list(columns))
            except (OSError, pa.ArrowInvalid) as error:
                raise self._damaged(name, error) from error

    def open_parquet(self, name: str) -> pq.ParquetFile:
        """Open a Parquet file of the dataset. Raises `DatasetError` like `columns`."""
        try:
            # No read-ahead: it would fetch the image bytes between the columns; pyarrow requests whole column chunks.
            source = self.fs.open(posixpath.join(self.root, name), "rb", cache_type="none")
            return pq.ParquetFile(source, pre_buffer=True)
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self.url(name)} is missing, though {MANIFEST} names it; copy the dataset again or build it again"
            ) from error
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> DatasetError:
        reason = " ".join(str(error).split())
        return DatasetError(f"{self.url(name)} cannot be read ({reason}); copy it again or build it again")


def open_dataset(path: str) -> Dataset:
    """The dataset at `path`, or the one in the run at `path`. Raises `DatasetError` if `path` is neither."""
    path = path.rstrip("/") or path
    try:
        fs, root = url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise DatasetError(f"{path} cannot be opened ({error}); give the folder of a dataset or of a run") from error
    for folder, inside in ((path, root), (posixpath.join(path, "dataset"), posixpath.join(root, "dataset"))):
        try:
            content = fs.cat_file(posixpath.join(inside, MANIFEST))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DatasetError(f"{folder}/{MANIFEST} cannot be read ({error}); correct that and try again") from error
        return Dataset(folder, fs, inside, Manifest.from_json(content, path=f"{folder}/{MANIFEST}"))
    if fs.exists(posixpath.join(root, "run.json")):
        raise DatasetError(f"{path} is an unfinished run without a {MANIFEST}; see m3w status {path}, then resume it")
    if not fs.exists(root):
        raise DatasetError(f"{path} does not exist; give the folder of a dataset or of a run")
    raise DatasetError(f"{path} has no {MANIFEST}, so it is not a dataset; give the folder of a dataset or of a run")


def check_shards(files: Iterable[ShardFile], *, contents: bool = False) -> None:
    """Raises `DatasetError` for the first shard that is missing, truncated or, with `contents`, altered.

    Sizes cost one request per shard; contents cost reading all shards.
    """
    for file in files:
        fs, path = url_to_fs(file.path)
        if not fs.exists(path):
            raise DatasetError(f"{file.path} is missing, though {MANIFEST} names it; copy the dataset again")
        size = fs.size(path)
        if size != file.bytes:
            raise DatasetError(
                f"{file.path} has {size} bytes, but {MANIFEST} says {file.bytes}, so it was truncated or changed; "
                "copy the shard again"
            )
        if contents and _sha256(file.path) != file.sha256:
            raise DatasetError(
                f"{file.path} does not have the SHA-256 {file.sha256} from {MANIFEST}, so its content was changed; "
                "copy the shard again"
            )


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
