"""Word n-grams of texts as 64-bit hashes, and MinHash signatures over them with their bands.

All of it is numpy over the bytes of many texts at once. The hash of a run of bytes is a polynomial in an odd base
modulo 2^64 over a table of random numbers for the 256 byte values. Prefix sums of that polynomial give the hash of any
run by one subtraction and one product, so an n-gram costs the same whatever its length: about 5 ns per byte of text,
without a loop in Python. The result is mixed at the end, since the low bits of a polynomial modulo a power of two
depend on few bits of the input. Integers only, so every machine computes the same.

MinHash: Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.3 and 3.4. Two texts whose sets of n-grams have the
Jaccard similarity s share a given band of `rows` minima with probability s^rows, and at least one of `bands` bands with
1 - (1 - s^rows)^bands. The permutations are x -> a x + b modulo 2^32 with odd a, over the upper half of the n-gram
hashes, which are mixed already. Cost: one product, one sum and one minimum per n-gram and permutation, in blocks that
fit in the second-level cache; about 0.1 ms for a text of 500 words and 112 permutations.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
SPACE = 32
_ASCII_WORDS = bytes(c if chr(c).isalnum() else SPACE for c in range(128)).lower() + bytes(range(128, 256))
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)
"""Thai, Lao, Burmese, Khmer, kana and Han characters: written without spaces, so that each counts as a word."""
_NO_WORD = re.compile(r"[\W_]+")
_BASE = 0xD1342543DE82EF95
"""5 modulo 8: its powers have the longest possible cycle modulo 2^64."""
_TEXT_BLOCK_BYTES = 1 << 20
"""Of texts that are hashed at once: with 8 bytes for each byte this takes a few tens of MB."""
_PRODUCT_BLOCK_BYTES = 1 << 18
"""Of the products of one block of n-grams with all permutations."""


def words(text: str) -> bytes:
    """The words of `text` in UTF-8, one space between two, in NFKC and case-folded, without punctuation."""
    if text.isascii():
        return b" ".join(text.encode().translate(_ASCII_WORDS).split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = _NO_WORD.sub(" ", _UNSPACED.sub(r" \1 ", folded))
    return " ".join(spaced.split()).encode("utf-8", "replace")


def ngram_hashes(texts: Sequence[bytes], n: int) -> tuple[U64, NDArray[np.int64]]:
    """Hashes of all n-grams of `texts` (each from `words`), in order, and how many of them each text has.

    A text of fewer than `n` words has none.
    """
    hashes, counts, start = [], np.zeros(len(texts), np.int64), 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (end == start or size + len(texts[end]) < _TEXT_BLOCK_BYTES):
            size += len(texts[end]) + 1
            end += 1
        block, counts[start:end] = _hashes_of_block(texts[start:end], n)
        hashes.append(block)
        start = end
    return (np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)), counts


def _hashes_of_block(texts: Sequence[bytes], n: int) -> tuple[U64, NDArray[np.int64]]:
    content = np.frombuffer(b" ".join(texts) + b" ", np.uint8)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.flatnonzero(content == SPACE)  # the offset after each word; an empty text gives an empty word
    starts = np.concatenate([[0], ends[:-1] + 1])
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    text_ends = np.cumsum(lengths + 1)
    text_of_word = np.searchsorted(text_ends, starts, side="right")
    if len(starts) < n:
        return np.zeros(0, np.uint64), np.zeros(len(texts), np.int64)
    first, last = starts[: len(starts) - n + 1], ends[n - 1 :]
    inside = text_of_word[: len(first)] == text_of_word[n - 1 :]
    first, last = first[inside], last[inside]
    counts = np.bincount(text_of_word[: len(inside)][inside], minlength=len(texts))
    return _runs(content, first, last), counts.astype(np.int64)


def _runs(content: NDArray[np.uint8], first: NDArray[np.int64], last: NDArray[np.int64]) -> U64:
    """The hash of each `content[first:last]`, independent of its position."""
    powers, inverses = _powers(len(content))
    sums = np.empty(len(content) + 1, np.uint64)
    sums[0] = 0
    np.cumsum(_TABLE[content] * powers, out=sums[1:])
    return mixed((sums[last] - sums[first]) * inverses[first])


def mixed(values: U64) -> U64:
    """The finaliser of SplitMix64: a bijection in which every bit of the result depends on every bit of the value."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def random_numbers(count: int, seed: int) -> U64:
    """`count` numbers of 64 bits, the same on every machine (SplitMix64)."""
    steps = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed * 1_000_003)) * np.uint64(0x9E3779B97F4A7C15)
    return mixed(steps)


_TABLE = random_numbers(256, seed=1)
_CACHED: list[tuple[U64, U64]] = []


def _powers(count: int) -> tuple[U64, U64]:
    """The first powers of the base and of its inverse modulo 2^64; those for one block are cached."""
    if count > 2 * _TEXT_BLOCK_BYTES:
        return _powers_of(_BASE, count), _powers_of(pow(_BASE, -1, 2**64), count)
    if not _CACHED:
        most, inverse = 2 * _TEXT_BLOCK_BYTES, pow(_BASE, -1, 2**64)
        _CACHED.append((_powers_of(_BASE, most), _powers_of(inverse, most)))
    return _CACHED[0][0][:count], _CACHED[0][1][:count]


def _powers_of(base: int, count: int) -> U64:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def signatures(texts: Sequence[str], *, ngram: int, permutations: int) -> tuple[U32, NDArray[np.bool_]]:
    """Minima [texts, permutations], and which texts have n-grams: one of fewer than `ngram` words has none."""
    hashes, counts = ngram_hashes([words(text) for text in texts], ngram)
    return minima(hashes, counts, permutations), counts > 0


def minima(hashes: U64, counts: NDArray[np.int64], permutations: int) -> U32:
    """The minimum [texts, permutations] of each permutation over the hashes of each text, `counts` of them per text."""
    values = (hashes >> np.uint64(32)).astype(np.uint32)
    factors = (random_numbers(permutations, seed=2) | np.uint64(1)).astype(np.uint32)[:, None]
    offsets = random_numbers(permutations, seed=3).astype(np.uint32)[:, None]
    width = max(1, _PRODUCT_BLOCK_BYTES // (4 * permutations))
    products = np.empty((permutations, width), np.uint32)
    smallest = np.full((len(counts), permutations), np.iinfo(np.uint32).max, np.uint32)
    end = 0
    for text, count in zip(smallest, counts.tolist(), strict=True):
        start, end = end, end + count
        for at in range(start, end, width):
            block = products[:, : min(width, end - at)]
            np.multiply(factors, values[at : min(at + width, end)], out=block)
            np.add(block, offsets, out=block)
            np.minimum(text, np.minimum.reduce(block, axis=1), out=text)
    return smallest


def band_keys(smallest: U32, *, bands: int, rows: int) -> U64:
    """A 64-bit key [texts, bands] of each band's `rows` minima; equal minima give each band another key."""
    assert smallest.shape[1] == bands * rows, f"{smallest.shape[1]} permutations are not {bands} bands of {rows}"
    weights = random_numbers(bands * rows, seed=4) | np.uint64(1)
    weighted = mixed(smallest.astype(np.uint64) + np.uint64(1)) * weights
    sums = weighted.reshape(len(smallest), bands, rows).sum(axis=2, dtype=np.uint64)
    return mixed(sums + random_numbers(bands, seed=5)[None, :])
