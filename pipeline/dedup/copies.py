"""Copies of documents, one kind after the other, each among the documents that the kinds before have left.

The order matters: a document is dropped only if one like it stays. If an old crawl of a page has the text of another
page, and the new crawl does not, the other page stays. A shuffle moves one row of about 100 bytes per document, and 8
more bytes per band until the last step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.pipeline.dedup.components import edge_table, stars
from m3w.pipeline.dedup.keys import ID, RICHEST_BYTES, Bytes, buckets, parts_and_rows, sortable, to_array, to_matrix
from m3w.pipeline.engine.shuffle import Rows

ROWS_A_GROUP = 500_000
"""Approximate rows that one task of a shuffle holds, at some 300 bytes each."""
NEAR = "near_duplicate"


def keep_first(rows: Rows, column: str, rank: slice, reason: str, documents: int) -> Rows:
    """Of the unmarked rows that are equal in `column`, mark all but the first by `rank` with `reason`; drop `column`.

    A null equals nothing.
    """
    groups = groups_for(documents)

    def bucket(table: pa.Table) -> pa.Table:
        ids = to_matrix(table["rank"])[:, ID]
        filled, valid = _filled(table[column])
        by_key = np.where(valid, buckets(filled, groups), buckets(ids, groups))  # nulls spread over all groups
        return _with(table, "group", pa.array(by_key))

    def mark(group: pa.Table) -> pa.Table:
        keys, valid = _filled(group[column])
        alive = np.flatnonzero(valid & group["reason"].is_null().to_numpy(zero_copy_only=False))
        later = alive[_later(keys[alive], to_matrix(group["rank"])[alive][:, rank])]
        reasons = np.array(group["reason"].to_pylist(), dtype=object)
        reasons[later] = reason
        return _with(group, "reason", pa.array(reasons, pa.string())).drop_columns([column])

    return rows.map(bucket).by_group(mark)


def groups_for(rows: int) -> int:
    return max(1, -(-rows // ROWS_A_GROUP))


def _later(keys: Bytes, ranks: Bytes) -> NDArray[np.int64]:
    """Indices of the rows that are not the first of their key by rank."""
    key = sortable(keys)
    order = np.lexsort((sortable(ranks), key))
    later: NDArray[np.int64] = order[1:][key[order[1:]] == key[order[:-1]]]
    return later


def _filled(column: Any) -> tuple[Bytes, NDArray[np.bool_]]:
    """A column of keys with zeros in place of nulls, and which rows are valid."""
    filled = pc.fill_null(column, bytes(column.type.byte_width))
    return to_matrix(filled), column.is_valid().to_numpy(zero_copy_only=False)


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)


def near_copies(rows: Rows, documents: int, bands: int) -> Rows:
    """The ranks (column `rank`) of the unmarked rows to drop as near-duplicates.

    Documents that share a band are neighbours, and the first by rank of each connected component stays.
    """
    groups = groups_for(documents * bands)
    edges = rows.map(lambda table: _by_band(table, groups)).by_group(_neighbours).kept()
    if not edges.total("changed"):
        return edges.map(_larger)
    nodes = groups_for(documents)
    return stars(edges, lambda matrix: buckets(matrix[:, ID], nodes)).map(_larger)


def _by_band(table: pa.Table, groups: int) -> pa.Table:
    alive = table.filter(pc.and_(table["reason"].is_null(), table["bands"].is_valid()))
    bands = alive["bands"].combine_chunks()
    keys = bands.flatten().to_numpy(zero_copy_only=False)
    nodes = to_matrix(alive["rank"])[pc.list_parent_indices(bands).to_numpy(zero_copy_only=False)]
    return pa.table({"group": (keys % np.uint64(groups)).astype(np.int64), "key": keys, "node": to_array(nodes)})


def _neighbours(group: pa.Table) -> pa.Table:
    """Edges from each document to the first by rank that shares the band."""
    nodes, keys = to_matrix(group["node"]), group["key"].to_numpy()
    order = np.lexsort((sortable(nodes), keys))
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
    firsts = np.repeat(starts, np.diff(np.append(starts, len(keys))))
    later = np.flatnonzero(firsts != np.arange(len(keys)))
    ends = np.concatenate([order[later], order[firsts[later]]])
    _, first, numbers = np.unique(sortable(nodes[ends]), return_index=True, return_inverse=True)
    count = len(later)
    return edge_table(nodes[ends][first], numbers[:count].astype(np.int64), numbers[count:].astype(np.int64))


def _larger(edges: pa.Table) -> pa.Table:
    """The nodes that are not the first of their component; in the end each has one edge."""
    if not edges.num_rows:  # without groups, the table has no columns
        return pa.table({"rank": pa.array([], pa.binary(RICHEST_BYTES))})
    return edges.select(["larger"]).rename_columns(["rank"])


def by_part(parts: list[str], reason: str | None = None) -> Callable[[pa.Table], pa.Table]:
    """Dropped rows as `group` (the name of the part), `row` and `reason`: the given one, or the row's own."""

    def change(table: pa.Table) -> pa.Table:
        if not table.num_rows:
            return DROPS.empty_table()
        dropped = table if reason else table.filter(table["reason"].is_valid())
        numbers, rows = parts_and_rows(to_matrix(dropped["rank"]))
        reasons = pa.array([reason] * len(rows), pa.string()) if reason else dropped["reason"].combine_chunks()
        names = pa.array(parts, pa.string()).take(pa.array(numbers))
        return pa.table({"group": names, "row": rows, "reason": reasons}, schema=DROPS)

    return change


DROPS = pa.schema([("group", pa.string()), ("row", pa.int64()), ("reason", pa.string())])
