"""Frequent images are the same as by comparing every pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from m3w.pipeline.dedup.image_copies import RANK_BYTES, decided, shortened, spread, with_near
from m3w.pipeline.engine.shuffle import InMemory

RNG = np.random.default_rng(4)
Shown = list[tuple[int, int]]
"""Perceptual hash and number of a document that shows it; document n lies in part n % 3, and a smaller n is newer."""


def rank(document: int) -> bytes:
    return document.to_bytes(RANK_BYTES, "big")


def found(shown: Shown, most: int, distance: int, *, keep_first: bool, groups: int = 4) -> dict[tuple[str, int], Any]:
    """`last` by part and hash, as the stage finds it."""
    columns = {
        "key": pa.array([value.to_bytes(8, "big") for value, _ in shown], pa.binary(8)),
        "rank": pa.array([rank(document) for _, document in shown], pa.binary(RANK_BYTES)),
        "part": [str(document % 3) for _, document in shown],
    }
    rows = InMemory(spread(groups)(pa.table(columns))).by_group(shortened(most))
    if distance:
        rows = with_near(rows, distance, most, len(shown), groups)
    table = rows.map(spread(groups)).by_group(decided(most, keep_first)).table()
    return {(row["group"], int.from_bytes(row["key"], "big")): row["last"] for row in table.to_pylist()}


def by_counting(shown: Shown, most: int, distance: int, *, keep_first: bool) -> dict[tuple[str, int], Any]:
    expected = {}
    for value in {value for value, _ in shown}:
        near = sorted({document for other, document in shown if (value ^ other).bit_count() <= distance})
        if len(near) > most:
            for part in {document % 3 for other, document in shown if other == value}:
                expected[str(part), value] = rank(near[most - 1]) if keep_first else None
    return expected


def clusters() -> Shown:
    """Hashes in clouds: some of equal ones, some a few bits apart, some in a chain, and many alone."""
    shown: Shown = []
    for size, spread_bits in ((3, 0), (9, 0), (9, 2), (20, 3), (4, 6), (30, 8)):
        middle = int(RNG.integers(0, 2**63))
        for _ in range(size):
            value = middle
            for bit in RNG.choice(64, int(RNG.integers(0, spread_bits + 1)), replace=False):
                value ^= 1 << int(bit)
            shown.append((value, int(RNG.integers(0, 60))))
    value = int(RNG.integers(0, 2**63))
    for step in range(12):
        value ^= 1 << (5 * step % 63)
        shown.append((value, step))
    shown += [(int(value), int(RNG.integers(0, 60))) for value in RNG.integers(0, 2**63, 100)]
    return list(dict.fromkeys(shown))


@pytest.mark.parametrize("keep_first", [False, True])
@pytest.mark.parametrize("distance", [0, 3, 5])
@pytest.mark.parametrize("most", [1, 4, 10])
def test_as_counting_every_pair(most: int, distance: int, keep_first: bool) -> None:
    for _ in range(3):
        shown = clusters()
        expected = by_counting(shown, most, distance, keep_first=keep_first)
        assert found(shown, most, distance, keep_first=keep_first) == expected
        assert found(shown[::-1], most, distance, keep_first=keep_first, groups=1) == expected
        assert expected or most == 10, "or nothing would be shown"


def test_without_images_nothing_is_frequent() -> None:
    assert found([], 1, 3, keep_first=False) == {}
