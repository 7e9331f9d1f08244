"""Runs of words, counted: what BLEU and CIDEr compare."""

from __future__ import annotations

from collections import Counter

LONGEST = 4
"""Words of the longest run, in both metrics."""

Ngram = tuple[str, ...]


def count_ngrams(words: list[str], longest: int = LONGEST) -> Counter[Ngram]:
    """How often every run of 1 to `longest` words occurs."""
    return Counter(
        tuple(words[at : at + length]) for length in range(1, longest + 1) for at in range(len(words) - length + 1)
    )
