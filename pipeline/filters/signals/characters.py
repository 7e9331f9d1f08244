"""Signals over single characters, and repeated runs of them, on arrays of code points."""

from __future__ import annotations

import math
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

SPECIAL, MARK, WORD = 1, 2, 4
_MARKS = ",;:?!.、。，；：？！．｡､؟؛،।॥۔።፣…"
"""What OBELICS takes for punctuation (, ; : ? ! .) and the same marks of other scripts."""
RUN = 10
"""Characters of a repeated run (OBELICS, arXiv 2306.16527, appendix A.2)."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def code_points(text: str) -> NDArray[np.uint32]:
    """[characters of `text`]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def classes(points: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """[characters]: a sum of SPECIAL (neither letter nor mark of a letter), MARK and WORD (letter, digit, _ or ')."""
    if points.size and points.max() >= 0x10000:
        return _table(0x110000)[points]
    return _table(0x10000)[points]


@cache
def _table(size: int) -> NDArray[np.uint8]:
    table = np.zeros(size, np.uint8)
    for number in range(size):
        character = chr(number)
        if unicodedata.category(character)[0] not in "LM":
            table[number] |= SPECIAL
        if character.isalnum() or character in "_'":
            table[number] |= WORD
    for character in _MARKS:
        table[ord(character)] |= MARK
    return table


def special_fraction(kinds: NDArray[np.uint8]) -> float:
    """Share of characters that are neither letters nor their marks; 0 of nothing."""
    return float(np.count_nonzero(kinds & SPECIAL)) / kinds.size if kinds.size else 0.0


def punctuation_fraction(kinds: NDArray[np.uint8]) -> tuple[float, int]:
    """Punctuation marks by marks and words together, and how many these are; a word is here a run of letters, digits,
    _ and '."""
    marks = int(np.count_nonzero(kinds & MARK))
    in_word = (kinds & WORD) != 0
    words = int(np.count_nonzero(in_word[1:] > in_word[:-1])) + int(in_word[0]) if kinds.size else 0
    return (marks / (marks + words) if marks + words else 0.0), marks + words


def repetition(points: NDArray[np.uint32]) -> float:
    """Share of the runs of 10 characters that are among the commonest ones, 0 for a text shorter than that.

    The commonest are as many kinds as the square root of all kinds, but only those met more than once. Runs are
    compared by 64-bit hashes: two different ones are equal with probability 5e-20.
    """
    if points.size < RUN:
        return 0.0
    with np.errstate(over="ignore"):
        hashes = (points.astype(np.uint64) + np.uint64(1)) * _FACTOR
        hashes = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        two = hashes[:-1] * _power(1) + hashes[1:]
        four = two[:-2] * _power(2) + two[2:]
        eight = four[:-4] * _power(4) + four[4:]
        ten = eight[:-2] * _power(2) + two[8:]
    ten.sort()
    edges = np.flatnonzero(ten[1:] != ten[:-1])
    kinds = edges.size + 1
    counts = np.diff(edges, prepend=-1, append=ten.size - 1)
    repeated = counts[counts > 1]
    most = min(math.isqrt(kinds), repeated.size)
    if most < repeated.size:
        repeated = np.partition(repeated, repeated.size - most)[repeated.size - most :]
    return float(repeated.sum()) / ten.size


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(int(_FACTOR), exponent, 2**64))
