"""Connected components of a graph larger than the memory of one machine: alternating large-star and small-star.

Kiveris et al., Connected Components in MapReduce and Beyond, SoCC 2014. An edge is a pair of nodes, byte strings in
columns `larger` and `smaller`. Large-star connects a node's larger neighbours to its smallest neighbour, small-star its
smaller ones. No edge is ever added; when neither step changes anything, each component is a star around its smallest
node. The paper proves O(log^2 n) rounds, and observes fewer than ten on graphs of 10^9 nodes. Cost: two shuffles of the
edges per round; only nodes that have an edge are moved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3w.pipeline.dedup.keys import RICHEST_BYTES, Bytes, sortable, to_array, to_matrix
from m3w.pipeline.engine.shuffle import Rows

MOST_ROUNDS = 64
Ints = NDArray[np.int64]


def stars(edges: Rows, bucket: Callable[[Bytes], Ints]) -> Rows:
    """Edges from every node but the smallest of each component of `edges` to that smallest one.

    `bucket` gives each node's group, the same for the same node.
    """
    for _ in range(MOST_ROUNDS):
        linked = edges.map(lambda table: _both_ways(table, bucket)).by_group(large_star)
        edges = linked.map(lambda table: _by_larger(table, bucket)).by_group(small_star).kept()
        if not edges.total("changed"):
            return edges
    raise RuntimeError(f"no components after {MOST_ROUNDS} rounds of large-star and small-star")


def edge_table(nodes: Bytes, larger: Ints, smaller: Ints, changed: NDArray[np.bool_] | None = None) -> pa.Table:
    """Edges between rows of `nodes`, each once; an edge counts as changed if any of its copies does."""
    if changed is None:
        changed = np.ones(len(larger), np.bool_)
    order = np.lexsort((~changed, smaller, larger))
    larger, smaller, changed = larger[order], smaller[order], changed[order]
    first = np.ones(len(larger), np.bool_)
    first[1:] = (larger[1:] != larger[:-1]) | (smaller[1:] != smaller[:-1])
    return pa.table(
        {
            "larger": to_array(nodes[larger[first]]),
            "smaller": to_array(nodes[smaller[first]]),
            "changed": pa.array(changed[first].astype(np.int64)),
        }
    )


def large_star(group: pa.Table) -> pa.Table:
    """All edges of some nodes, as `node` and `other`: connect each larger neighbour to the smallest of all."""
    nodes, node, other, changed = _numbered(group)
    smallest = np.arange(len(nodes))
    np.minimum.at(smallest, node, other)
    up = other > node
    moved = smallest[node[up]] != node[up]
    return edge_table(nodes, other[up], smallest[node[up]], moved | changed[up])


def small_star(group: pa.Table) -> pa.Table:
    """All smaller neighbours of some nodes: connect them and the node to the smallest of them."""
    nodes, node, other, changed = _numbered(group)
    smallest = np.arange(len(nodes))
    np.minimum.at(smallest, node, other)
    to = smallest[node]
    rest = other != to
    larger, smaller = np.concatenate([node, other[rest]]), np.concatenate([to, to[rest]])
    return edge_table(nodes, larger, smaller, np.concatenate([changed, np.ones(rest.sum(), np.bool_)]))


def _both_ways(edges: pa.Table, bucket: Callable[[Bytes], Ints]) -> pa.Table:
    larger, smaller = _column(edges, "larger"), _column(edges, "smaller")
    node, other = np.concatenate([larger, smaller]), np.concatenate([smaller, larger])
    return _directed(node, other, np.zeros(len(node), np.int64), bucket)


def _by_larger(edges: pa.Table, bucket: Callable[[Bytes], Ints]) -> pa.Table:
    changed = edges["changed"].to_numpy() if "changed" in edges.column_names else np.zeros(0, np.int64)
    return _directed(_column(edges, "larger"), _column(edges, "smaller"), changed, bucket)


def _directed(node: Bytes, other: Bytes, changed: Ints, bucket: Callable[[Bytes], Ints]) -> pa.Table:
    return pa.table({"group": bucket(node), "node": to_array(node), "other": to_array(other), "changed": changed})


def _column(edges: pa.Table, name: str) -> Bytes:
    """A table without rows may lack the columns."""
    return to_matrix(edges[name]) if name in edges.column_names else np.zeros((0, RICHEST_BYTES), np.uint8)


def _numbered(group: pa.Table) -> tuple[Bytes, Ints, Ints, NDArray[np.bool_]]:
    """The nodes in order, the ends of each edge as numbers in that order, and which edges have changed before."""
    node, other = to_matrix(group["node"]), to_matrix(group["other"])
    both = np.concatenate([node, other])
    _, first, numbers = np.unique(sortable(both), return_index=True, return_inverse=True)
    count = len(node)
    changed = group["changed"].to_numpy().astype(np.bool_)
    return both[first], numbers[:count].astype(np.int64), numbers[count:].astype(np.int64), changed
