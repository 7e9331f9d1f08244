"""The words of a text, split once: each kind of word has a number, and what is known of it is known once.

Most words of a text are met more than once, so what has to look into a word (its letters, whether it is a stop word)
looks at each kind of word only; sums over the text are then sums over numbers.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from m3w.pipeline.filters.signals.text import words_of
from m3w.pipeline.filters.signals.word_lists import WordLists

_STRIPPED = (
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~0123456789"
    "“”‘’„‚‹›«»–—―‐…•·●■□▪◦¡¿§°©®™€£¥、。，；：？！（）「」『』【】《》〈〉؟،؛।"
)
"""Taken off a word's ends before it is looked up."""


class Words:
    """The words of one text. Arrays are [words] in the text's order, or [kinds] in the order of first appearance."""

    def __init__(self, text: str):
        words = words_of(text)
        self.count = len(words)
        first = dict.fromkeys(words)
        self.kinds = list(first)
        number = dict(zip(self.kinds, range(len(self.kinds)), strict=True))
        self.numbers: NDArray[np.int64] = np.fromiter(map(number.__getitem__, words), np.int64, len(words))
        """[words]: the kind of each."""

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """[kinds]: how often each is met."""
        return np.bincount(self.numbers, minlength=len(self.kinds))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """[kinds]: characters."""
        return np.fromiter(map(len, self.kinds), np.int64, len(self.kinds))

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """[words + 1]: characters of all words before each, without white space; the last is their total."""
        ends = np.zeros(self.count + 1, np.int64)
        np.cumsum(self.lengths[self.numbers], out=ends[1:])
        return ends

    @property
    def characters(self) -> int:
        return int(self.ends[-1])

    def fraction(self, kinds: NDArray[np.bool_]) -> float:
        """Share of the words whose kind is marked in `kinds`; 0 of nothing."""
        return float(self.counts[kinds].sum()) / self.count if self.count else 0.0

    @cached_property
    def alphabetic(self) -> NDArray[np.bool_]:
        """[kinds]: whether some character of it is a letter."""
        kinds = self.kinds
        return np.fromiter((k.isalpha() or any(map(str.isalpha, k)) for k in kinds), np.bool_, len(kinds))

    @cached_property
    def plain(self) -> list[str]:
        """[kinds]: each in lower case without marks and digits at its ends; empty for one that has nothing else."""
        return [kind.strip(_STRIPPED) for kind in "\n".join(self.kinds).lower().split("\n")] if self.kinds else []

    @cached_property
    def plain_numbers(self) -> NDArray[np.int64]:
        """[words that are not empty when plain]: the kind of each plain word."""
        number = {plain: i for i, plain in enumerate(dict.fromkeys(self.plain))}
        kinds = np.fromiter((number[plain] if plain else -1 for plain in self.plain), np.int64, len(self.kinds))
        numbers = kinds[self.numbers]
        return numbers[numbers >= 0]

    def listed(self, lists: WordLists) -> NDArray[np.uint8]:
        """[kinds]: on which of the lists its plain form is, as a sum of `STOP`, `COMMON` and `FLAGGED`."""
        look_up = lists.kinds.get
        return np.fromiter((look_up(plain, 0) for plain in self.plain), np.uint8, len(self.kinds))
