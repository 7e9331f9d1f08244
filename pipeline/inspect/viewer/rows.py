"""Single rows of a dataset: a document with its images, found by shard and row without reading the rows before it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.filters.signals import DATASET_SCHEMA
from m3w.pipeline.inspect.folder import DatasetFolder
from m3w.recipes.errors import InputError

HELD = 8
"""Documents whose images are in memory."""
ROWS = 16


class Rows:
    """Reads documents of a dataset one at a time."""

    def __init__(self, folder: DatasetFolder, shards: list[str]):
        self._folder, self._shards = folder, shards
        self.read = lru_cache(maxsize=HELD)(self._read)

    def _read(self, shard: int, row: int) -> dict[str, Any]:
        """All columns of a document. Raises `InputError` for one that is not there."""
        if not 0 <= shard < len(self._shards) or row < 0:
            raise InputError(f"there is no shard {shard}")
        with self._folder.open_parquet(self._shards[shard]) as file:
            group, row_of_group = _group_of(file.metadata, row)
            first = 0
            batches = file.iter_batches(batch_size=ROWS, row_groups=[group], columns=DATASET_SCHEMA.names)
            for batch in batches:
                if row_of_group < first + batch.num_rows:
                    found: dict[str, Any] = batch.slice(row_of_group - first, 1).to_pylist()[0]
                    return found
                first += batch.num_rows
        raise InputError(f"{self._shards[shard]} has no row {row}")


def _group_of(metadata: pq.FileMetaData, row: int) -> tuple[int, int]:
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if row < rows:
            return group, row
        row -= rows
    raise InputError(f"there is no row {row} behind the last")
