"""The signals of MassiveWeb: quality and repetition (Rae et al., arXiv 2112.11446, appendix A.1.1 and table A1).

Where the paper leaves it open: words are separated by white space; the characters of an n-gram are those of its words,
as a share of all characters of the text; of equal lines, paragraphs and n-grams the first is the original and the later
ones are duplicates; a character in several n-grams counts once; of equally common n-grams the first in the text is the
top one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from m3w.pipeline.filters.signals.registry import GOPHER, TABLE_A1, Signal, document_signals
from m3w.pipeline.filters.signals.text import DocumentText, Numbers, Words, covered, repeated_ngrams
from m3w.pipeline.filters.signals.word_lists import WordLists

BULLETS = ("•", "‣", "⁃", "◦", "▪", "▫", "■", "□", "●", "○", "▶", "▸", "►", "-", "–", "—", "*", "·")
ELLIPSES = ("...", "…")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


@document_signals(
    Signal("mean_word_length", "characters of words by words", "characters", GOPHER),
    Signal("hash_word_ratio", "# signs by words", "per word", GOPHER),
    Signal("ellipsis_word_ratio", "ellipses (... and …) by words", "per word", GOPHER),
    Signal("bullet_line_fraction", "lines that start with a bullet, by lines", "share", GOPHER,
           "dashes and * are bullets, too"),
    Signal("ellipsis_line_fraction", "lines that end in an ellipsis, by lines", "share", GOPHER),
    Signal("alphabetic_word_fraction", "words with a letter, by words", "share", GOPHER),
    Signal("stop_word_kinds", "how many of the, be, to, of, and, that, have, with are met", "words", GOPHER,
           "in other languages of the language's stop words; NaN where there is no list"),
)  # fmt: skip
def quality(text: DocumentText) -> dict[str, float]:
    words, lines = text.words, text.lines
    count = words.count or 1
    ellipses = text.text.count("...") + text.text.count("…")
    return {
        "mean_word_length": words.characters / count,
        "hash_word_ratio": text.text.count("#") / count,
        "ellipsis_word_ratio": ellipses / count,
        "bullet_line_fraction": _share(line.startswith(BULLETS) for line in lines),
        "ellipsis_line_fraction": _share(line.endswith(ELLIPSES) for line in lines) if ellipses else 0.0,
        "alphabetic_word_fraction": words.fraction(words.alphabetic),
        "stop_word_kinds": _required(words, text.lists) if text.lists.required else math.nan,
    }


def _required(words: Words, lists: WordLists) -> float:
    """How many of the required words occur, with the case they are listed in: `The` in a text of another language is
    part of a name."""
    pairs = zip(words.kinds, words.plain, strict=True)
    return float(len({plain for kind, plain in pairs if plain in lists.required and plain in kind}))


def _duplicate_signals(unit: str) -> tuple[Signal, Signal]:
    characters = f"characters of {unit}s equal to an earlier one, by those of all {unit}s"
    return (
        Signal(f"duplicate_{unit}_fraction", f"{unit}s equal to an earlier one, by all {unit}s", "share", TABLE_A1),
        Signal(f"duplicate_{unit}_character_fraction", characters, "share", TABLE_A1),
    )


@document_signals(
    *_duplicate_signals("line"),
    *_duplicate_signals("paragraph"),
    *(Signal(f"top_{n}gram_fraction", f"characters in the commonest run of {n} words, by all", "share", TABLE_A1)
      for n in TOP),
    *(Signal(f"duplicate_{n}gram_fraction", f"characters in runs of {n} words that were met before, by all", "share",
             TABLE_A1) for n in DUPLICATE),
)  # fmt: skip
def repetition(text: DocumentText) -> dict[str, float]:
    words = text.words
    signals = {
        **_duplicates("line", text.lines),
        **_duplicates("paragraph", text.paragraphs),
        **{f"top_{n}gram_fraction": _characters(np.arange(min(1, words.count // n)), n, text) for n in TOP},
        **{f"duplicate_{n}gram_fraction": 0.0 for n in DUPLICATE},
    }
    for repeated in repeated_ngrams(words.numbers, max(DUPLICATE)):
        n = repeated.n
        if n in TOP:
            signals[f"top_{n}gram_fraction"] = _characters(repeated.top(), n, text)
        elif n in DUPLICATE:
            signals[f"duplicate_{n}gram_fraction"] = _characters(repeated.starts[repeated.later], n, text)
    return signals


def _characters(starts: Numbers, n: int, text: DocumentText) -> float:
    """Share of the text's characters in the n-grams that begin at `starts`; 0 for an empty text."""
    return covered(starts, n, text.words.ends) / len(text.text) if text.text else 0.0


def _duplicates(unit: str, pieces: list[str]) -> dict[str, float]:
    """Shares of the pieces, and of their characters, that are equal to an earlier piece."""
    distinct = set(pieces)
    duplicates = characters = 0.0
    if len(distinct) < len(pieces):
        total = sum(map(len, pieces))
        duplicates = 1 - len(distinct) / len(pieces)
        characters = 1 - sum(map(len, distinct)) / total
    return {f"duplicate_{unit}_fraction": duplicates, f"duplicate_{unit}_character_fraction": characters}


def _share(marks: Iterable[bool]) -> float:
    """Share of true values; 0 if there are none."""
    marks = list(marks)
    return sum(marks) / len(marks) if marks else 0.0
