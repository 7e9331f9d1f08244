"""Lists of words by language: stop words, common words, flagged words.

The shipped lists are files in `words/`, each with its origin and licence at the top: stop words of 72 languages (from
spaCy), common words of English (from symspellpy), and one list of flagged words for all languages (the block lists'
adult words, written for m3w). A recipe's `word_lists` replaces them, or adds to them for flagged words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.engine.list_file import NamedFile, read_entries
from m3w.recipes.section import Section

STOP, COMMON, FLAGGED = 1, 2, 4
GOPHER_STOP_WORDS = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])
"""Gopher requires two of these in a document (arXiv 2112.11446, appendix A.1.1)."""


class WordListFiles(Section):
    """Files with one word per line, by language."""

    stop: dict[Language, NamedFile] = {}
    """Replaces the shipped list."""
    common: dict[Language, NamedFile] = {}
    """Replaces the shipped list, which only English has."""
    flagged: dict[Language, NamedFile] = {}
    """Added to the shipped list, which is for all languages."""


@cache
def adult_words() -> frozenset[str]:
    """The shipped list `words/adult.txt`; its first lines name its origin."""
    return frozenset(read_entries(str(files("m3w.pipeline.filters").joinpath("words/adult.txt"))))


@dataclass(frozen=True)
class WordLists:
    """The word lists of one language."""

    kinds: dict[str, int] = field(default_factory=dict)
    """By lower-case word, the lists that hold it, as a sum of `STOP`, `COMMON` and `FLAGGED`."""
    required: frozenset[str] = frozenset()
    """Words of which Gopher requires some: its own eight for English, the stop words for other languages."""
    has_stop: bool = False
    has_common: bool = False


class ListsByLanguage:
    """The lists of every language, each read once. Raises `InputError` for a file that cannot be read."""

    def __init__(self, named: WordListFiles | None = None):
        self._named = named or WordListFiles()
        self._read: dict[str, WordLists] = {}
        for files_of_kind in (self._named.stop, self._named.common, self._named.flagged):
            for language in files_of_kind:
                self.of(language)

    def of(self, language: str | None) -> WordLists:
        """The lists for an ISO 639 code; a kind that the language has no list of is empty."""
        language = language or ""
        if language not in self._read:
            named = self._named
            chosen = named.stop.get(language), named.common.get(language), named.flagged.get(language)
            self._read[language] = _read(language, *chosen) if any(chosen) else _as_shipped(language)
        return self._read[language]


@cache
def _as_shipped(language: str) -> WordLists:
    return _read(language, None, None, None)


def _read(language: str, stop_file: str | None, common_file: str | None, flagged_file: str | None) -> WordLists:
    stop = read_entries(stop_file) if stop_file else _shipped("stop", language)
    common = read_entries(common_file) if common_file else _shipped("common", language)
    flagged = [*adult_words(), *(read_entries(flagged_file) if flagged_file else ())]
    kinds: dict[str, int] = {}
    for words, kind in ((stop, STOP), (common, COMMON), (stop if common else (), COMMON), (flagged, FLAGGED)):
        _mark(kinds, words, kind)
    required = GOPHER_STOP_WORDS if language == "en" and not stop_file else frozenset(map(str.lower, stop))
    return WordLists(kinds=kinds, required=required, has_stop=bool(stop), has_common=bool(common))


def _mark(kinds: dict[str, int], words: Iterable[str], kind: int) -> None:
    for word in words:
        kinds[word.lower()] = kinds.get(word.lower(), 0) | kind


def _shipped(kind: str, language: str) -> list[str]:
    file = files("m3w.pipeline.filters").joinpath("words", kind, f"{language}.txt")
    return read_entries(str(file)) if language.isalpha() and file.is_file() else []
