"""Hashes within a distance are found, all of them and no others."""

from __future__ import annotations

import numpy as np
import pytest

from m3w.pipeline.dedup.hamming import masks, near_any

RNG = np.random.default_rng(2)


def flipped(hashes: np.ndarray, bits: int) -> np.ndarray:
    """Each hash with so many different bits turned."""
    turned = hashes.copy()
    for i in range(len(turned)):
        for bit in RNG.choice(64, bits, replace=False):
            turned[i] ^= np.uint64(1 << int(bit))
    return turned


@pytest.mark.parametrize("distance", [0, 1, 5, 10, 16])
@pytest.mark.parametrize("count", [1, 100, 30_000])
def test_every_near_pair_agrees_under_a_mask(distance: int, count: int) -> None:
    references = RNG.integers(0, 2**64, count, dtype=np.uint64)
    queries = np.concatenate([flipped(references[:40], bits) for bits in (0, distance, distance + 1)])
    among = references[: 2000 if count > 2000 else count]
    if count <= 2000:
        exact = (np.bitwise_count(queries[:, None] ^ among[None, :]) <= distance).any(axis=1)
        assert near_any(queries, references, distance).tolist() == exact.tolist()
    else:
        near = near_any(queries, references, distance)
        assert near[:80].all() and (distance > 10 or not near[80:].any())


def test_masks_leave_out_each_choice_of_pieces() -> None:
    assert masks(0, 10**9) == [2**64 - 1]
    for distance, count in ((3, 10), (5, 10**6), (5, 10**9)):
        found = masks(distance, count)
        for _ in range(200):
            difference = sum(1 << int(bit) for bit in RNG.choice(64, distance, replace=False))
            assert any(not difference & mask for mask in found)


def test_nothing_is_near_nothing() -> None:
    none = np.zeros(0, np.uint64)
    assert near_any(none, none, 3).tolist() == []
    assert near_any(np.ones(2, np.uint64), none, 3).tolist() == [False, False]
