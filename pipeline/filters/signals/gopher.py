"""The signals of MassiveWeb: quality and repetition (Rae et al., arXiv 2112.11446, appendix A.1.1 and table A1).

Ours, where the paper leaves it open: words stand between white space; an n-gram's characters are those of its words, by
all characters of the text; of equal lines, paragraphs and n-grams the first is the original and the later ones are the
duplicates; what several n-grams cover counts once; of equally common n-grams the first in the text is the top one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from m3w.pipeline.filters.signals.ngrams import Numbers, covered, repeated_ngrams
from m3w.pipeline.filters.signals.word_lists import WordLists
from m3w.pipeline.filters.signals.words import Words

BULLETS = ("•", "‣", "⁃", "◦", "▪", "▫", "■", "□", "●", "○", "▶", "▸", "►", "-", "–", "—", "*", "·")
ELLIPSES = ("...", "…")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


def quality(text: str, words: Words, lines: list[str], lists: WordLists) -> dict[str, float]:
    """The signals of A.1.1 by name."""
    count = words.count or 1
    ellipses = text.count("...") + text.count("…")
    return {
        "mean_word_length": words.characters / count,
        "hash_word_ratio": text.count("#") / count,
        "ellipsis_word_ratio": ellipses / count,
        "bullet_line_fraction": _share(line.startswith(BULLETS) for line in lines),
        "ellipsis_line_fraction": _share(line.endswith(ELLIPSES) for line in lines) if ellipses else 0.0,
        "alphabetic_word_fraction": words.fraction(words.alphabetic),
        "stop_word_kinds": _required(words, lists) if lists.required else math.nan,
    }


def _required(words: Words, lists: WordLists) -> float:
    """How many of the required words are met, as listed: `The` in a text of another language is part of a name."""
    found = {
        plain for kind, plain in zip(words.kinds, words.plain, strict=True) if plain in lists.required and plain in kind
    }
    return float(len(found))


def repetition(text: str, words: Words, lines: list[str], paragraphs: list[str]) -> dict[str, float]:
    """The signals of table A1 by name."""
    found = {
        **_duplicates("line", lines),
        **_duplicates("paragraph", paragraphs),
        **{f"top_{n}gram_fraction": _characters(np.arange(min(1, words.count // n)), n, words, text) for n in TOP},
        **{f"duplicate_{n}gram_fraction": 0.0 for n in DUPLICATE},
    }
    for repeated in repeated_ngrams(words.numbers, max(DUPLICATE)):
        n = repeated.n
        if n in TOP:
            found[f"top_{n}gram_fraction"] = _characters(repeated.top(), n, words, text)
        elif n in DUPLICATE:
            found[f"duplicate_{n}gram_fraction"] = _characters(repeated.starts[repeated.later], n, words, text)
    return found


def _characters(starts: Numbers, n: int, words: Words, text: str) -> float:
    """Share of the text's characters in the n-grams that begin at `starts`; 0 of nothing."""
    return covered(starts, n, words.ends) / len(text) if text else 0.0


def _duplicates(name: str, pieces: list[str]) -> dict[str, float]:
    """Shares of the pieces, and of their characters, that are equal to an earlier piece."""
    distinct = set(pieces)
    duplicates = characters = 0.0
    if len(distinct) < len(pieces):
        total = sum(map(len, pieces))
        duplicates = 1 - len(distinct) / len(pieces)
        characters = 1 - sum(map(len, distinct)) / total
    return {f"duplicate_{name}_fraction": duplicates, f"duplicate_{name}_character_fraction": characters}


def _share(marks: Iterable[bool]) -> float:
    """Share of true values; 0 of nothing."""
    marks = list(marks)
    return sum(marks) / len(marks) if marks else 0.0
