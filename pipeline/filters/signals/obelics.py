"""The text signals of OBELICS (Laurençon et al., arXiv 2306.16527, appendix A.2), of a document and of one text node.

Words are looked up in lower case, without marks and digits at their ends; a word that consists of these does not count.
Signals over single characters are computed on arrays of code points.
"""

from __future__ import annotations

import math
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from m3w.pipeline.filters.signals.registry import OBELICS, Signal, document_signals, text_node_signals
from m3w.pipeline.filters.signals.text import Text, Words, repeated_ngrams
from m3w.pipeline.filters.signals.word_lists import COMMON, FLAGGED, STOP, WordLists

WORD_RUN = 5
"""Words in a repeated run."""
CHARACTER_RUN = 10
"""Characters in a repeated run."""
FEWEST_FOR_PUNCTUATION = 12
"""Words and marks; the punctuation of a shorter text node says nothing about it."""
SPECIAL, MARK, WORD = 1, 2, 4
_MARKS = ",;:?!.、。，；：？！．｡､؟؛،।॥۔።፣…"
"""The punctuation of OBELICS (, ; : ? ! .) and the same marks of other scripts."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_PLAIN = "words in lower case without marks and digits at their ends; NaN where the language has no list"

SIGNALS = (
    Signal("character_repetition", "runs of 10 characters among the commonest kinds (as many as the root of all kinds, "
           "of those met twice), by all runs", "share", OBELICS),
    Signal("word_repetition", "runs of 5 words met more than once, by all runs", "share", OBELICS),
    Signal("special_character_fraction", "characters that are neither letters nor their marks (Unicode L, M), by all",
           "share", OBELICS, "OBELICS lists its special characters one by one"),
    Signal("punctuation_fraction", "marks , ; : ? ! . by marks and words", "share", OBELICS,
           "and the same marks of other scripts; in a text node of fewer than 12 words and marks 1"),
    Signal("stop_word_fraction", "stop words by words", "share", OBELICS, f"spaCy's lists; {_PLAIN}"),
    Signal("common_word_fraction", "common words by words", "share", OBELICS,
           f"symspellpy's 60,000 English words; {_PLAIN}"),
    Signal("flagged_word_fraction", "flagged words by words", "share", OBELICS, "the shipped list of adult words"),
)  # fmt: skip


@document_signals(*SIGNALS)
def obelics(text: Text) -> dict[str, float]:
    return _measure(text, fewest_for_punctuation=0)


@text_node_signals(*SIGNALS)
def obelics_of_node(text: Text) -> dict[str, float]:
    return _measure(text, fewest_for_punctuation=FEWEST_FOR_PUNCTUATION)


def _measure(text: Text, *, fewest_for_punctuation: int) -> dict[str, float]:
    points = code_points(text.text)
    classes = character_classes(points)
    punctuation, words_and_marks = punctuation_fraction(classes)
    return {
        "character_repetition": character_repetition(points),
        "word_repetition": word_repetition(text.words),
        "special_character_fraction": special_fraction(classes),
        "punctuation_fraction": 1.0 if words_and_marks < fewest_for_punctuation else punctuation,
        **_listed(text.words, text.lists),
    }


def word_repetition(words: Words) -> float:
    """Share of the runs of 5 words that occur more than once."""
    numbers = words.plain_numbers
    for repeated in repeated_ngrams(numbers, WORD_RUN):
        if repeated.n == WORD_RUN:
            return repeated.starts.size / (numbers.size - WORD_RUN + 1)
    return 0.0


def _listed(words: Words, lists: WordLists) -> dict[str, float]:
    """Shares of the words that are on each list; 0 if there are no words, NaN if the language has no such list."""
    listed = words.listed(lists)
    count = words.plain_numbers.size

    def share(kind: int) -> float:
        return float(words.counts[(listed & np.uint8(kind)) != 0].sum()) / count if count else 0.0

    return {
        "stop_word_fraction": share(STOP) if lists.has_stop else math.nan,
        "common_word_fraction": share(COMMON) if lists.has_common else math.nan,
        "flagged_word_fraction": share(FLAGGED),
    }


def code_points(text: str) -> NDArray[np.uint32]:
    """[characters]: the code points of `text`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def character_classes(points: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """[characters]: a sum of SPECIAL (not a letter or its mark), MARK and WORD (letter, digit, _ or ')."""
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
    """Share of characters that are neither letters nor their marks; 0 if there are none."""
    return float(np.count_nonzero(kinds & SPECIAL)) / kinds.size if kinds.size else 0.0


def punctuation_fraction(kinds: NDArray[np.uint8]) -> tuple[float, int]:
    """Punctuation marks as a share of marks and words, and the number of both; a word is here a run of letters, digits,
    _ and '."""
    marks = int(np.count_nonzero(kinds & MARK))
    in_word = (kinds & WORD) != 0
    words = int(np.count_nonzero(in_word[1:] > in_word[:-1])) + int(in_word[0]) if kinds.size else 0
    return (marks / (marks + words) if marks + words else 0.0), marks + words


def character_repetition(points: NDArray[np.uint32]) -> float:
    """Share of the runs of 10 characters that are among the commonest runs; 0 for a shorter text.

    With k distinct runs, the commonest are the first sqrt(k) by count, as far as they occur more than once. Runs are
    compared by 64-bit hashes: two different runs have the same hash with probability 5e-20.
    """
    if points.size < CHARACTER_RUN:
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
