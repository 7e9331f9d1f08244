"""Repeated runs of words, for all lengths at once, exactly.

A run of n words that is met twice holds two runs of n - 1 words that are met twice. So only places where both runs of
n - 1 words are repeated are looked at, and most texts have few: the cost of a length is a sort of these places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Repeated:
    """The n-grams of a text that are met more than once."""

    n: int
    starts: Numbers
    """[places]: the word at which each begins, ascending."""
    kinds: Numbers
    """[places]: equal where the n-grams are equal."""
    counts: Numbers
    """By kind, how often it is met."""
    later: NDArray[np.bool_]
    """[places]: whether the n-gram was met before."""

    def top(self) -> Numbers:
        """The starts of the commonest n-gram; of several, of the one that is met first."""
        often = self.counts[self.kinds]
        chosen: Numbers = self.starts[self.kinds == self.kinds[int(often.argmax())]]
        return chosen


def repeated_ngrams(words: Numbers, largest: int) -> Iterator[Repeated]:
    """For n from 1 to `largest` the repeated n-grams of `words` (numbers from 0); ends where there are none."""
    found = _repeated(1, np.arange(words.size), words)
    while found is not None:
        yield found
        if found.n == largest:
            return
        next_to = np.flatnonzero(found.starts[1:] - found.starts[:-1] == 1)
        width = np.int64(found.counts.size)
        pairs = found.kinds[next_to] * width + found.kinds[next_to + 1]
        found = _repeated(found.n + 1, found.starts[next_to], pairs)


def _repeated(n: int, starts: Numbers, keys: Numbers) -> Repeated | None:
    """Those of `keys` that are met more than once; None if there are none."""
    if keys.size < 2:
        return None
    order = keys.argsort(kind="stable")
    ordered = keys[order]
    same = np.zeros(keys.size + 1, np.bool_)
    np.equal(ordered[1:], ordered[:-1], out=same[1:-1])
    chosen = np.flatnonzero(same[1:] | same[:-1])
    if not chosen.size:
        return None
    later = same[chosen]
    kinds = np.cumsum(~later) - 1
    places = order[chosen]
    back = places.argsort()
    return Repeated(n, starts[places[back]], kinds[back], np.bincount(kinds), later[back])


def covered(starts: Numbers, n: int, ends: Numbers) -> int:
    """Characters of the words that runs of `n` words from `starts` (ascending) hold, each word counted once.

    `ends`: characters before each word, as `Words.ends`.
    """
    if not starts.size:
        return 0
    stops = starts + n
    np.minimum(stops[:-1], starts[1:], out=stops[:-1])
    return int((ends[stops] - ends[starts]).sum())
