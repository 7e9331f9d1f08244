"""64-bit hashes within a Hamming distance: exact, by the pigeonhole principle.

Cut 64 bits into m > d pieces. Two hashes that differ in at most d bits differ in at most d pieces, so at least m - d
pieces are equal; whoever compares the hashes that agree in some choice of m - d pieces meets every near pair. More
pieces give more choices of more bits each: more keys, smaller buckets. Every pair met is then counted bit by bit, so m
changes cost alone. A piece takes every m-th bit, since neighbours in a perceptual hash are alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from m3w.pipeline.dedup.ngrams import U64, mixed

Ints = NDArray[np.int64]
PAIRS_AT_ONCE = 1 << 20
BUCKET = 256
"""Hashes that a bucket should hold on average, if they were spread evenly."""
MOST_KEYS = 100


def masks(distance: int, count: int) -> list[int]:
    """The bits of each key, for about `count` hashes: the fewest keys whose buckets are small."""
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
    """The hashes' bits under the `number`-th mask, mixed with the number: keys of different masks are not compared."""
    return mixed((hashes & np.uint64(mask)) + np.uint64(number))


def near_any(queries: U64, references: U64, distance: int) -> NDArray[np.bool_]:
    """Which `queries` are within `distance` bits of any of `references`."""
    found = np.zeros(len(queries), np.bool_)
    for mask in masks(distance, len(references)):
        under = references & np.uint64(mask)
        order = np.argsort(under)
        wanted = np.flatnonzero(~found)
        low = np.searchsorted(under[order], queries[wanted] & np.uint64(mask), side="left")
        high = np.searchsorted(under[order], queries[wanted] & np.uint64(mask), side="right")
        for which, place in _expanded(low, high):
            query = wanted[which]
            near = np.bitwise_count(queries[query] ^ references[order[place]]) <= distance
            found[query[near]] = True
    return found


def _expanded(low: Ints, high: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of a number i and each place of `low[i]` to `high[i]`, in blocks."""
    counts = high - low
    ends = np.cumsum(counts)
    start = 0
    while start < len(low):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        which = np.repeat(np.arange(start, end), counts[start:end])
        places = np.arange(len(which)) - np.repeat(ends[start:end] - counts[start:end] - before, counts[start:end])
        yield which, places + low[which]
        start = end


def near_blocks(hashes: U64, distance: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Rows [some, all] of the table of which hashes are near which others, with the number of the first row."""
    rows = max(1, PAIRS_AT_ONCE // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        near = np.bitwise_count(hashes[start : start + rows, None] ^ hashes[None, :]) <= distance
        own = np.arange(len(near))
        near[own, own + start] = False
        yield start, near


def from_hex(names: list[str]) -> U64:
    """Perceptual hashes as they stand in a document: 16 hex digits."""
    return np.array([int(name, 16) for name in names], np.uint64)
