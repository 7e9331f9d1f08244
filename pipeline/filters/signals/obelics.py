"""The text signals of OBELICS (Laurençon et al., arXiv 2306.16527, appendix A.2), for a document and for one text node.

Words are looked up in lower case, without marks and digits at their ends; one that has nothing else is no word here.
"""

from __future__ import annotations

import math

import numpy as np

from m3w.pipeline.filters.signals import characters
from m3w.pipeline.filters.signals.ngrams import repeated_ngrams
from m3w.pipeline.filters.signals.word_lists import COMMON, FLAGGED, STOP, WordLists
from m3w.pipeline.filters.signals.words import Words

WORD_RUN = 5
"""Words of a repeated run."""
FEWEST_FOR_PUNCTUATION = 12
"""Words and marks; a shorter text node is not judged by its punctuation."""


def obelics(text: str, words: Words, lists: WordLists, *, node: bool = False) -> dict[str, float]:
    """The signals by name; NaN for a share of words of which the language has no list."""
    points = characters.code_points(text)
    classes = characters.classes(points)
    punctuation, pieces = characters.punctuation_fraction(classes)
    return {
        "character_repetition": characters.repetition(points),
        "word_repetition": word_repetition(words),
        "special_character_fraction": characters.special_fraction(classes),
        "punctuation_fraction": 1.0 if node and pieces < FEWEST_FOR_PUNCTUATION else punctuation,
        **_listed(words, lists),
    }


def word_repetition(words: Words) -> float:
    """Share of the runs of 5 words that are met more than once."""
    numbers = words.plain_numbers
    for repeated in repeated_ngrams(numbers, WORD_RUN):
        if repeated.n == WORD_RUN:
            return repeated.starts.size / (numbers.size - WORD_RUN + 1)
    return 0.0


def _listed(words: Words, lists: WordLists) -> dict[str, float]:
    """Shares of the words that are on each list; 0 of nothing."""
    listed = words.listed(lists)
    count = words.plain_numbers.size

    def share(kind: int) -> float:
        return float(words.counts[(listed & np.uint8(kind)) != 0].sum()) / count if count else 0.0

    return {
        "stop_word_fraction": share(STOP) if lists.has_stop else math.nan,
        "common_word_fraction": share(COMMON) if lists.has_common else math.nan,
        "flagged_word_fraction": share(FLAGGED),
    }
