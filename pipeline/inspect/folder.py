"""A dataset's folder on any fsspec path: its manifest, and columns of its Parquet files as a stream of batches."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from m3w.pipeline.engine.run import Run
from m3w.recipes.errors import InputError
from m3w.schemas.manifest import Manifest

MANIFEST = "dataset.json"
RECIPE = "recipe.yaml"


class DatasetFolder:
    """Opened by `open_dataset`."""

    def __init__(self, path: str, fs: AbstractFileSystem, root: str, manifest: Manifest):
        self.path, self.manifest = path, manifest
        self._fs, self._root = fs, root

    def columns(self, name: str, columns: Sequence[str], *, rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """The given columns alone of one of the dataset's Parquet files, at most `rows` rows at a time.

        Raises `InputError` for a file that the manifest names and that is not there or cannot be read.
        """
        with self.open_parquet(name) as file:
            try:
                yield from file.iter_batches(batch_size=rows, columns=list(columns))
            except (OSError, pa.ArrowInvalid) as error:
                raise self._damaged(name, error) from error

    def open_parquet(self, name: str) -> pq.ParquetFile:
        """Raises `InputError` as `columns` does."""
        try:
            # No read-ahead: it would fetch the image bytes that lie between the columns; pyarrow asks for whole chunks.
            source = self._fs.open(posixpath.join(self._root, name), "rb", cache_type="none")
            return pq.ParquetFile(source, pre_buffer=True)
        except FileNotFoundError as error:
            raise InputError(
                f"{self.path}/{name} is named by {MANIFEST} but is not there, so the dataset is not whole; copy it "
                "again or build it again"
            ) from error
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> InputError:
        said = " ".join(str(error).split())
        return InputError(f"{self.path}/{name} cannot be read ({said}); copy it again or build it again")

    def recipe(self) -> str | None:
        """The frozen recipe of the run that the dataset lies in, as YAML; None if it lies in none."""
        try:
            content: bytes = self._fs.cat_file(self._in_run(RECIPE))
        except OSError:
            return None
        return content.decode("utf-8", "replace")

    @property
    def run(self) -> Run | None:
        """The run that the dataset lies in; None if it lies in none, such as a copy of a dataset alone."""
        try:
            return Run.open(posixpath.dirname(self.path.rstrip("/")) or ".")
        except InputError:
            return None

    def _in_run(self, name: str) -> str:
        return posixpath.join(posixpath.dirname(self._root.rstrip("/")), name)


def open_dataset(path: str) -> DatasetFolder:
    """The dataset at `path`, or the one in the run at `path`. Raises `InputError` if there is neither."""
    path = path.rstrip("/") or path
    try:
        fs, root = url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise InputError(f"{path} cannot be opened ({error}); give the folder of a dataset or of a run") from error
    for folder, inside in ((path, root), (posixpath.join(path, "dataset"), posixpath.join(root, "dataset"))):
        try:
            content = fs.cat_file(posixpath.join(inside, MANIFEST))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(f"{folder}/{MANIFEST} cannot be read ({error}); mend that and ask again") from error
        return DatasetFolder(folder, fs, inside, Manifest.from_json(content, path=f"{folder}/{MANIFEST}"))
    if fs.exists(posixpath.join(root, "run.json")):
        raise InputError(f"{path} is a run without {MANIFEST}, so it is not finished; see m3w status {path}")
    if not fs.exists(root):
        raise InputError(f"{path} is not there; give the folder of a dataset or of a run")
    raise InputError(f"{path} holds no {MANIFEST}, so it is no dataset; give the folder of a dataset or of a run")
