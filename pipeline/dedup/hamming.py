"""Pairs of 64-bit hashes within a Hamming distance d: exact, by the pigeonhole principle.

Cut 64 bits into m > d pieces. Two hashes that differ in at most d bits differ in at most d pieces, so at least m - d
pieces are equal. Comparing the hashes that agree in some choice of m - d pieces therefore covers every near pair. More
pieces give more choices with more bits each: more keys, smaller buckets. The bits of every candidate pair are counted,
so m affects the cost alone. A piece takes every m-th bit, since neighbouring bits of a perceptual hash are correlated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from m3w.pipeline.dedup.minhash import U64, mixed

Ints = NDArray[np.int64]
PAIRS_AT_ONCE = 1 << 20
BUCKET = 256
"""Hashes per bucket, on average, if they were spread evenly."""
MOST_KEYS = 100


def masks(distance: int, count: int) -> list[int]:
    """The bit mask of each key, for about `count` hashes: the fewest keys that give small buckets."""
    best: list[int] = []
    for pieces in range(distance + 1, distance + 5):
        keys = math.comb(pieces, distance)
        if best and (keys > MOST_KEYS or pieces > 64):
            break
        cuts = [sum(1 << bit for bit in range(piece, 64, pieces)) for piece in range(pieces)]
        best = [sum(chosen) for chosen in itertools.combinations(cuts, pieces - distance)]
        if count >> min(mask.bit_count() for mask in best) <= BUCKET:
            break
    return best


def keys(hashes: U64, mask: int, number: int) -> U64:
    """The bits under the `number`-th mask, mixed with the number, so that keys of different masks do not collide."""
    return mixed((hashes & np.uint64(mask)) + np.uint64(number))


def near_any(queries: U64, references: U64, distance: int) -> NDArray[np.bool_]:
    """Which `queries` are within `distance` bits of any of `references`."""
    is_near = np.zeros(len(queries), np.bool_)
    for mask in masks(distance, len(references)):
        under = references & np.uint64(mask)
        order = np.argsort(under)
        wanted = np.flatnonzero(~is_near)
        low = np.searchsorted(under[order], queries[wanted] & np.uint64(mask), side="left")
        high = np.searchsorted(under[order], queries[wanted] & np.uint64(mask), side="right")
        for which, position in _expanded(low, high):
            query = wanted[which]
            near = np.bitwise_count(queries[query] ^ references[order[position]]) <= distance
            is_near[query[near]] = True
    return is_near


def _expanded(low: Ints, high: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of an index i and each position from `low[i]` to `high[i]`, in blocks."""
    counts = high - low
    ends = np.cumsum(counts)
    start = 0
    while start < len(low):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        which = np.repeat(np.arange(start, end), counts[start:end])
        offsets = np.arange(len(which)) - np.repeat(ends[start:end] - counts[start:end] - before, counts[start:end])
        yield which, offsets + low[which]
        start = end


def near_blocks(hashes: U64, distance: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Blocks of rows [some, all] of the matrix that says which hashes are near, with the index of the first row."""
    rows = max(1, PAIRS_AT_ONCE // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        near = np.bitwise_count(hashes[start : start + rows, None] ^ hashes[None, :]) <= distance
        own = np.arange(len(near))
        near[own, own + start] = False
        yield start, near


def from_hex(names: list[str]) -> U64:
    """Perceptual hashes as in a document: 16 hex digits."""
    return np.array([int(name, 16) for name in names], np.uint64)
