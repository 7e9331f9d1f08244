"""Tables that are brought together by a column `group`: by Ray Data, or in memory where they are small.

Both give the same rows to the same functions, so which of them works is no part of a result. A Ray Data shuffle costs
about 3 s before it has moved a row, which is all that a small run has to do; the demo has a dozen of them.

On Ray Data a sorting shuffle, not hashing: at the sizes of one machine it takes a third of the time (a groupby of 8,000
rows on 2 cores: 2.8 s against 8.5 s), and its result does not depend on the number of workers either. The tables lie in
Ray's object store, which spills to disk; the driver holds references.

What bounds it: tasks that read start only while what they have put out and nobody has taken yet is under half of the
cluster's object store (`STREAMING_SHARE_OF_STORE`), and each asks Ray for the CPUs and the memory of its stage. A
shuffle itself needs all rows before it can give the first group; these lie in the object store and, beyond it, on the
machines' disks.

Each block that is read is dealt to as many as there are, and the driver holds a reference to each piece: a number that
grows with the square of the blocks. Of many parts, the pieces are therefore merged on their way, in rounds of as many
blocks as there are CPUs (Ray's push-based shuffle, after Exoshuffle, arXiv:2203.05072): what is held grows with the
blocks times the rounds. Of few it costs more than it saves. Groups are whole either way, and their rows in no order.
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
"""Of the cluster's object store, for blocks between the operators of one dataset."""
MERGED_ABOVE_ITEMS = 5000
"""Of parts. Of so many files of Common Crawl the rows are some 500 blocks, and the square of that 0.8 GB of the driver;
below, merging only costs time (200 blocks on two CPUs: 36 s for 15 s)."""
Change = Callable[[pa.Table], pa.Table]


class Rows(Protocol):
    """A table in pieces, somewhere."""

    def map(self, change: Change) -> Self:
        """`change` of each piece; how the rows are cut into pieces is not to matter."""

    def by_group(self, gather: Change) -> Self:
        """`gather` of all rows of each value of the column `group`, in no order to rely on."""

    def beside(self, other: Self) -> Self:
        """The rows of both, which have the same columns."""

    def kept(self) -> Self:
        """Worked out now, for what is read more than once."""

    def total(self, column: str) -> int:
        """The sum of a column of integers."""

    def table(self) -> pa.Table:
        """All rows on the caller; for what is known to be few."""


class InMemory:
    """One table."""

    def __init__(self, table: pa.Table):
        self._table = table

    def map(self, change: Change) -> InMemory:
        return InMemory(change(self._table))

    def by_group(self, gather: Change) -> InMemory:
        if not self._table.num_rows:
            return self
        ordered = self._table.sort_by("group").combine_chunks()
        groups = ordered["group"].combine_chunks().dictionary_encode().indices.to_numpy()
        ends = [*(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(groups)]
        starts = [0, *ends[:-1]]
        pieces = [gather(ordered.slice(start, end - start)) for start, end in zip(starts, ends, strict=True)]
        return InMemory(pa.concat_tables(pieces))

    def beside(self, other: InMemory) -> InMemory:
        if not self._table.num_rows or not other._table.num_rows:  # no group, so no columns of the gathered table
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
        """What `read` makes of tables of the items; `needs` is what each task of ours asks Ray for."""
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

    def by_group(self, gather: Change) -> OnRayData:
        groups = self._dataset.groupby("group").map_groups(gather, batch_format="pyarrow", **self._options)
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
