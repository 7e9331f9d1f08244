"""A document as a text: its words, lines, paragraphs and sentences, and the runs of words that are repeated.

A document's text is its text nodes, joined by a blank line. Paragraphs are separated by blank lines, lines by line
breaks; both are stripped, and empty ones do not count. Words are separated by white space, as in Dolma and RedPajama;
the papers of Gopher and C4 do not say. In scripts that put no space between words (Han, Kana, Thai, Lao, Khmer,
Burmese, Tibetan) every character is a word. A sentence ends with . ! ? … (or their like in other scripts) and closing
quotes before white space, or at the end of the line.

Most words of a text occur more than once, so each distinct word (kind) gets a number and is examined once: sums over
the text are sums over numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from m3w.pipeline.filters.signals.word_lists import WordLists
from m3w.schemas.document import InterleavedDocument

Numbers = NDArray[np.int64]

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f40-\u0fbc\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""A character of a script that puts no spaces between words."""
_SENTENCE_END = re.compile(r"[.!?…؟।۔。！？\n](?:(?<=\n)\s*|(?<=[。！？])[”’」』）]*\s*|[\"'”’»)\]]*\s+)(?=\S)")
"""The pattern starts with one character class, which `re` searches fast."""


def document_text(document: InterleavedDocument) -> str:
    """The text nodes of `document`, joined by blank lines."""
    return "\n\n".join([text for text in document.texts if text is not None])


def words_of(text: str) -> list[str]:
    """The words of `text` in order, with case and punctuation as they stand."""
    if not text.isascii() and UNSPACED.search(text):
        text = UNSPACED.sub(r" \g<0> ", text)
    return text.split()


def lines_of(text: str) -> list[str]:
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def paragraphs_of(text: str) -> list[str]:
    return [stripped for paragraph in text.split("\n\n") if (stripped := paragraph.strip())]


def count_sentences(text: str) -> int:
    """0 for a text of white space. Full stops of abbreviations and numbered lists end a sentence, too."""
    text = text.strip()
    return len(_SENTENCE_END.findall(text)) + 1 if text else 0


_STRIPPED = (
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~0123456789"
    "“”‘’„‚‹›«»–—―‐…•·●■□▪◦¡¿§°©®™€£¥、。，；：？！（）「」『』【】《》〈〉؟،؛।"
)
"""Stripped from both ends of a word before it is looked up."""


class Words:
    """The words of one text. Arrays are [words] in the text's order, or [kinds] in order of first appearance."""

    def __init__(self, text: str):
        words = words_of(text)
        self.count = len(words)
        first = dict.fromkeys(words)
        self.kinds = list(first)
        """The distinct words."""
        number = dict(zip(self.kinds, range(len(self.kinds)), strict=True))
        self.numbers: Numbers = np.fromiter(map(number.__getitem__, words), np.int64, len(words))
        """[words]: the kind of each word."""

    @cached_property
    def counts(self) -> Numbers:
        """[kinds]: number of occurrences."""
        return np.bincount(self.numbers, minlength=len(self.kinds))

    @cached_property
    def lengths(self) -> Numbers:
        """[kinds]: length in characters."""
        return np.fromiter(map(len, self.kinds), np.int64, len(self.kinds))

    @cached_property
    def ends(self) -> Numbers:
        """[words + 1]: characters of all words before each word, without white space; the last is the total."""
        ends = np.zeros(self.count + 1, np.int64)
        np.cumsum(self.lengths[self.numbers], out=ends[1:])
        return ends

    @property
    def characters(self) -> int:
        return int(self.ends[-1])

    @property
    def longest(self) -> int:
        """Characters of the longest word; 0 if there is none."""
        return int(self.lengths.max(initial=0))

    def fraction(self, kinds: NDArray[np.bool_]) -> float:
        """Share of the words whose kind is marked in `kinds`; 0 if there are no words."""
        return float(self.counts[kinds].sum()) / self.count if self.count else 0.0

    @cached_property
    def alphabetic(self) -> NDArray[np.bool_]:
        """[kinds]: whether the word has a letter."""
        kinds = self.kinds
        return np.fromiter((k.isalpha() or any(map(str.isalpha, k)) for k in kinds), np.bool_, len(kinds))

    @cached_property
    def plain(self) -> list[str]:
        """[kinds]: the word in lower case without marks and digits at its ends; empty if nothing else is in it."""
        return [kind.strip(_STRIPPED) for kind in "\n".join(self.kinds).lower().split("\n")] if self.kinds else []

    @cached_property
    def plain_numbers(self) -> Numbers:
        """[words whose plain form is not empty]: the kind of each plain word."""
        number = {plain: i for i, plain in enumerate(dict.fromkeys(self.plain))}
        kinds = np.fromiter((number[plain] if plain else -1 for plain in self.plain), np.int64, len(self.kinds))
        numbers = kinds[self.numbers]
        return numbers[numbers >= 0]

    def listed(self, lists: WordLists) -> NDArray[np.uint8]:
        """[kinds]: the lists that hold the plain form, as a sum of `STOP`, `COMMON` and `FLAGGED`."""
        look_up = lists.kinds.get
        return np.fromiter((look_up(plain, 0) for plain in self.plain), np.uint8, len(self.kinds))


class Text:
    """A text to be measured. What several signals need is computed once, when the first of them asks for it."""

    def __init__(self, text: str, lists: WordLists):
        self.text, self.lists = text, lists

    @cached_property
    def words(self) -> Words:
        return Words(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return lines_of(self.text)

    @cached_property
    def paragraphs(self) -> list[str]:
        return paragraphs_of(self.text)


class DocumentText(Text):
    """A document to be measured, with its text."""

    def __init__(self, document: InterleavedDocument, lists: WordLists):
        super().__init__(document_text(document), lists)
        self.document = document


@dataclass(frozen=True, slots=True)
class Repeated:
    """The n-grams of a text that occur more than once."""

    n: int
    starts: Numbers
    """[occurrences]: the word at which each begins, ascending."""
    kinds: Numbers
    """[occurrences]: equal where the n-grams are equal."""
    counts: Numbers
    """[kinds]: number of occurrences."""
    later: NDArray[np.bool_]
    """[occurrences]: whether the n-gram occurred before."""

    def top(self) -> Numbers:
        """The starts of the commonest n-gram; of several equally common ones, of the one that comes first."""
        counts = self.counts[self.kinds]
        top: Numbers = self.starts[self.kinds == self.kinds[int(counts.argmax())]]
        return top


def repeated_ngrams(words: Numbers, largest: int) -> Iterator[Repeated]:
    """The repeated n-grams of `words` (numbers from 0) for n from 1 to `largest`; stops at the first n without any.

    A run of n words that occurs twice contains two runs of n - 1 words that occur twice. So only positions where both
    runs of n - 1 words are repeated are examined. Most texts have few: the cost of each n is a sort of these positions.
    """
    repeated = _repeated(1, np.arange(words.size), words)
    while repeated is not None:
        yield repeated
        if repeated.n == largest:
            return
        adjacent = np.flatnonzero(repeated.starts[1:] - repeated.starts[:-1] == 1)
        width = np.int64(repeated.counts.size)
        pairs = repeated.kinds[adjacent] * width + repeated.kinds[adjacent + 1]
        repeated = _repeated(repeated.n + 1, repeated.starts[adjacent], pairs)


def _repeated(n: int, starts: Numbers, keys: Numbers) -> Repeated | None:
    """The n-grams whose `keys` occur more than once; None if there are none."""
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
    positions = order[chosen]
    back = positions.argsort()
    return Repeated(n, starts[positions[back]], kinds[back], np.bincount(kinds), later[back])


def covered(starts: Numbers, n: int, ends: Numbers) -> int:
    """Characters of the words in the runs of `n` words from `starts` (ascending); each word counts once.

    `ends`: characters before each word, as `Words.ends`.
    """
    if not starts.size:
        return 0
    stops = starts + n
    np.minimum(stops[:-1], starts[1:], out=stops[:-1])
    return int((ends[stops] - ends[starts]).sum())
