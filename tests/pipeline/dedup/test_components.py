"""Large-star and small-star find the same components as a textbook algorithm."""

from __future__ import annotations

import random

import numpy as np
import pytest

from m3w.pipeline.dedup.components import edge_table, stars
from m3w.pipeline.dedup.keys import RICHEST_BYTES, buckets, to_matrix
from m3w.pipeline.engine.shuffle import InMemory

Edge = tuple[int, int]


def found(edges: list[Edge], count: int, groups: int) -> dict[int, int]:
    """The node that each node hangs on, for nodes that hang."""
    nodes = np.zeros((count, RICHEST_BYTES), np.uint8)
    nodes[:, -8:] = np.arange(count).astype(">u8").view(np.uint8).reshape(-1, 8)
    larger = np.array([max(edge) for edge in edges], np.int64)
    smaller = np.array([min(edge) for edge in edges], np.int64)
    table = stars(InMemory(edge_table(nodes, larger, smaller)), lambda m: buckets(m[:, -8:], groups)).table()
    ends = [to_matrix(table[name])[:, -8:].copy().view(">u8").ravel().tolist() for name in ("larger", "smaller")]
    assert len(set(ends[0])) == len(ends[0]), "each node hangs on one other"
    return dict(zip(*ends, strict=True))


def by_union(edges: list[Edge], count: int) -> dict[int, int]:
    root = list(range(count))

    def top(node: int) -> int:
        while root[node] != node:
            node = root[node]
        return node

    for a, b in edges:
        low, high = sorted((top(a), top(b)))
        root[high] = low
    return {node: top(node) for node in range(count) if top(node) != node}


GRAPHS: dict[str, list[Edge]] = {
    "one edge": [(0, 1)],
    "a chain": [(i, i + 1) for i in range(60)],
    "a chain with its ends in the middle": [(i, (i * 37) % 61) for i in range(1, 61)],
    "a star with a large middle": [(60, i) for i in range(60)],
    "all with all": [(i, j) for i in range(20) for j in range(i)],
    "two that touch at their largest": [(0, 9), (1, 9), (2, 10), (3, 10), (9, 10)],
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("groups", [1, 7])
def test_known_graphs(name: str, groups: int) -> None:
    edges = [edge for edge in GRAPHS[name] if edge[0] != edge[1]]
    assert found(edges, 61, groups) == by_union(edges, 61)


def test_random_graphs() -> None:
    rng = random.Random(3)
    for _ in range(15):
        count = rng.randint(2, 120)
        edges = [(a, b) for a, b in (rng.sample(range(count), 2) for _ in range(rng.randint(1, count)))]
        assert found(edges, count, groups=3) == by_union(edges, count)
