"""The Parquet files of a dataset and its run as tables of DuckDB, which reads the columns and rows that are asked for.

Nothing is read at the start but the manifest; each question reads what it needs (docs/decisions/viewer.md).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

import duckdb
from fsspec.core import url_to_fs

from m3w.pipeline.inspect.folder import DatasetFolder
from m3w.recipes.errors import InputError

MEMORY = "1GiB"
HOST = r"lower(regexp_extract(url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]+)', 1))"
IMAGES = "len(list_filter(images, lambda image: image.status = 'ok'))"


class Tables:
    """SQL over the files of a dataset, from any thread."""

    def __init__(self, folder: DatasetFolder):
        self.folder, self.run = folder, folder.run
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        fs, _ = url_to_fs(folder.path)
        self._local = "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))
        if not self._local:
            self._connection.register_filesystem(fs)
        shards = [(name, shard) for name, split in folder.manifest.splits.items() for shard in split.documents]
        self.shards = [shard.path for _, shard in shards]
        self.split_of = [name for name, _ in shards]
        self.documents = sum(shard.documents for _, shard in shards)
        self._numbers = {self._path(posixpath.join(folder.path, path)): n for n, path in enumerate(self.shards)}

    def _path(self, path: str) -> str:
        """The path as DuckDB has it, and names files by in its answers."""
        fs, inside = url_to_fs(path)
        return str(inside if self._local else fs.unstrip_protocol(inside))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query whose values from outside are all in `parameters`."""
        cursor = self._connection.cursor()
        try:
            found = cursor.execute(sql, list(parameters))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except duckdb.Error as error:
            raise InputError(f"the question could not be answered: {' '.join(str(error).split())[:500]}") from error
        finally:
            cursor.close()

    def dataset(self, *, split: str | None = None) -> str:
        """The documents of the dataset (of one split of it) for a FROM; `filename` and `file_row_number` with them."""
        chosen = [path for path, name in zip(self.shards, self.split_of, strict=True) if split in (None, name)]
        return self._from([self._path(posixpath.join(self.folder.path, path)) for path in chosen])

    def indexes(self) -> str:
        """The indexes beside the tars of sequences."""
        splits = self.folder.manifest.splits.values()
        paths = [shard.index for split in splits for shard in split.sequences]
        return self._from([self._path(posixpath.join(self.folder.path, path)) for path in paths])

    def of_run(self, folder: str) -> str | None:
        """The Parquet files of a folder of the run; None where there is no run or nothing in it."""
        names = [name for name in self.run.names(folder) if name.endswith(".parquet")] if self.run else []
        return self._from([self._path(self.run.url(name)) for name in names]) if self.run and names else None

    def shard_number(self, filename: str) -> int:
        return self._numbers[filename]

    def _from(self, paths: Sequence[str]) -> str:
        if not paths:
            raise InputError(f"{self.folder.path} has no such files; build it again")
        return parquet(paths)


def parquet(paths: Sequence[str]) -> str:
    """Files for a FROM, with `filename` and `file_row_number` beside their columns."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], filename = true, file_row_number = true)"
