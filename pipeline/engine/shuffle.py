"""Grouping of tables by a column `group`: with Ray Data, or in memory for small ones.

Both call the same functions on the same rows, so the result does not depend on which one runs. A Ray Data shuffle takes
about 3 s before it has moved a row, longer than a small run's whole work; the demo has a dozen of them.

On Ray Data we use the sorting shuffle, not the hashing one: at the sizes of one machine it takes a third of the time (a
groupby of 8,000 rows on 2 cores: 2.8 s against 8.5 s), and its result does not depend on the number of workers either.
The tables are in Ray's object store, which spills to disk; the driver holds references.

Memory is bounded: a reading task starts only while the output that no task has consumed yet is below half of the
cluster's object store (`STREAMING_SHARE_OF_STORE`), and each task requests the CPUs and the memory of its stage. The
shuffle itself needs all rows before it can return the first group; they are in the object store and, beyond it, on the
machines' disks.

The shuffle splits each block into as many pieces as there are blocks, and the driver holds a reference to each piece:
the number grows with the square of the blocks. For many parts the pieces are therefore merged on the way, in rounds of
as many blocks as there are CPUs (Ray's push-based shuffle, after Exoshuffle, arXiv:2203.05072), and the number grows
with the blocks times the rounds. For few parts this costs more than it saves. Either way groups are complete, with
their rows in no particular order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.engine.execution import Needs

STREAMING_SHARE_OF_STORE = 0.5
"""Share of the cluster's object store for blocks between the operators of one dataset."""
MERGED_ABOVE_ITEMS = 5000
"""Number of parts above which pieces are merged. The rows of this many files of Common Crawl are some 500 blocks, and
the square of that takes 0.8 GB on the driver; below, merging only takes longer (200 blocks on two CPUs: 36 s, not
15 s)."""
Change = Callable[[pa.Table], pa.Table]


class Rows(Protocol):
    """A table in pieces, in memory or on the cluster."""

    def map(self, change: Change) -> Self:
        """Apply `change` to each piece; its result must not depend on how the rows are cut into pieces."""

    def by_group(self, reduce: Change) -> Self:
        """Apply `reduce` to all rows of each value of the column `group`; their order is not defined."""

    def beside(self, other: Self) -> Self:
        """The rows of both, which have the same columns."""

    def kept(self) -> Self:
        """Compute the rows now, because they are read more than once."""

    def total(self, column: str) -> int:
        """The sum of a column of integers."""

    def table(self) -> pa.Table:
        """All rows in this process; only for tables that are known to be small."""


class InMemory:
    """One table in this process."""

    def __init__(self, table: pa.Table):
        self._table = table

    def map(self, change: Change) -> InMemory:
        return InMemory(change(self._table))

    def by_group(self, reduce: Change) -> InMemory:
        if not self._table.num_rows:
            return self
        ordered = self._table.sort_by("group").combine_chunks()
        groups = ordered["group"].combine_chunks().dictionary_encode().indices.to_numpy()
        ends = [*(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(groups)]
        starts = [0, *ends[:-1]]
        pieces = [reduce(ordered.slice(start, end - start)) for start, end in zip(starts, ends, strict=True)]
        return InMemory(pa.concat_tables(pieces))

    def beside(self, other: InMemory) -> InMemory:
        if not self._table.num_rows or not other._table.num_rows:  # without a group the gathered columns are missing
            return self if self._table.num_rows else other
        return InMemory(pa.concat_tables([self._table, other._table]))

    def kept(self) -> InMemory:
        return self

    def total(self, column: str) -> int:
        return int(pc.sum(self._table[column]).as_py() or 0) if column in self._table.column_names else 0

    def table(self) -> pa.Table:
        return self._table


class OnRayData:
    """A Ray Data dataset."""

    def __init__(self, dataset: Any, options: dict[str, Any]):
        self._dataset, self._options = dataset, options

    @classmethod
    def of(cls, items: Iterable[dict[str, Any]], read: Change, *, items_a_task: int, needs: Needs) -> OnRayData:
        """The rows that `read` returns for tables of `items`; each of our tasks requests `needs` from Ray."""
        import ray.data
        from ray.data import ExecutionResources
        from ray.data.context import DataContext, ShuffleStrategy

        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        items = list(items)
        merged = len(items) > MERGED_ABOVE_ITEMS
        strategies = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED, ShuffleStrategy.SORT_SHUFFLE_PUSH_BASED
        context.shuffle_strategy = strategies[merged]
        store_bytes = int(ray.cluster_resources().get("object_store_memory", 0) * STREAMING_SHARE_OF_STORE)
        context.execution_options.resource_limits = ExecutionResources(object_store_memory=store_bytes)
        options = {"num_cpus": needs.cpus, "memory": needs.memory_bytes}
        dataset = ray.data.from_items(items)
        return cls(dataset.map_batches(read, batch_size=items_a_task, batch_format="pyarrow", **options), options)

    def map(self, change: Change) -> OnRayData:
        changed = self._dataset.map_batches(change, batch_size=None, batch_format="pyarrow", **self._options)
        return OnRayData(changed, self._options)

    def by_group(self, reduce: Change) -> OnRayData:
        groups = self._dataset.groupby("group").map_groups(reduce, batch_format="pyarrow", **self._options)
        return OnRayData(groups, self._options)

    def beside(self, other: OnRayData) -> OnRayData:
        return OnRayData(self._dataset.union(other._dataset), self._options)

    def kept(self) -> OnRayData:
        return OnRayData(self._dataset.materialize(), self._options)

    def total(self, column: str) -> int:
        return int(self._dataset.sum(column) or 0)

    def table(self) -> pa.Table:
        import ray

        pieces = [piece for piece in ray.get(self._dataset.to_arrow_refs()) if piece.num_rows]
        return pa.concat_tables(pieces) if pieces else pa.table({})
