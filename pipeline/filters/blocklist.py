"""Block lists for URLs: domains, words, substrings; the reason of a block is the reason of the drop.

A domain matches itself and all its subdomains (`bad.example` blocks `www.bad.example`, not `notbad.example`). A word
matches whole words of host and path: runs of letters, or of letters and digits, after percent-decoding and in lower
case, so `xxx` is in `/xxx_2.jpg` and `/xxx2.jpg`, not in `/xxxl.jpg`. A substring matches anywhere in host and path, as
in OBELICS (arXiv 2306.16527, appendix A.2) and MMC4: `sex` blocks Sussex, too. Queries and fragments are not searched.
A URL without a host (`data:`) is not blocked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from m3w.pipeline.engine.list_file import read_entries
from m3w.pipeline.filters.section import BlockedUrls
from m3w.pipeline.filters.signals.word_lists import adult_words
from m3w.recipes.errors import InputError

DOMAIN = "blocked_domain"
ADULT = "adult_word"
WORD = "blocked_word"
SUBSTRING = "blocked_substring"
MALFORMED = "malformed_url"

_LETTERS = re.compile(r"[^\W\d_]+")
_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class BlockList:
    """Tells why a URL is blocked. Costs one look-up per label of the host and per word of the URL."""

    def __init__(
        self,
        *,
        domains: Iterable[str] = (),
        words: Iterable[str] = (),
        adult_words: Iterable[str] = (),
        substrings: Iterable[str] = (),
    ):
        self._domains = frozenset(domains)
        self._words = frozenset(word.lower() for word in words)
        self._adult_words = frozenset(adult_words)
        self._substrings = tuple(part.lower() for part in substrings)

    @classmethod
    def from_recipe(cls, blocked: BlockedUrls) -> BlockList:
        """Read the lists of a recipe's section. Raises `InputError` for an unreadable file or an invalid entry."""
        return cls(
            domains=[_domain(entry, path) for path in blocked.domain_files for entry in read_entries(path)],
            words=[
                *blocked.words,
                *(_word(entry, path) for path in blocked.word_files for entry in read_entries(path)),
            ],
            adult_words=adult_words() if blocked.adult_words else (),
            substrings=blocked.substrings,
        )

    def reason(self, url: str) -> str | None:
        """`blocked_domain`, `adult_word`, `blocked_word` or `blocked_substring`; None for a URL that is not blocked.

        `malformed_url` for one whose host cannot be parsed: what cannot be decided is blocked.
        """
        if not (self._domains or self._words or self._adult_words or self._substrings):
            return None
        try:
            split = urlsplit(url)
            host = (split.hostname or "").rstrip(".")
        except ValueError:
            return MALFORMED
        if not host:
            return None
        if self._domains and any(name in self._domains for name in _with_parents(_ascii(host))):
            return DOMAIN
        text = f"{_unicode(host)} {unquote(split.path)}".lower()
        return self._word_reason(text) or (SUBSTRING if any(part in text for part in self._substrings) else None)

    def _word_reason(self, text: str) -> str | None:
        if not (self._words or self._adult_words):
            return None
        words = {*_LETTERS.findall(text), *_LETTERS_AND_DIGITS.findall(text)}
        if not self._adult_words.isdisjoint(words):
            return ADULT
        return None if self._words.isdisjoint(words) else WORD


def _with_parents(host: str) -> Iterable[str]:
    while host:
        yield host
        _, _, host = host.partition(".")


def _domain(entry: str, path: str) -> str:
    name = _ascii(entry.lower().removeprefix("*").strip("."))
    if not _DOMAIN.fullmatch(name):
        raise InputError(
            f"the list {path} holds {entry!r}, which is no domain; write one per line, such as shop.example"
        )
    return name


def _word(entry: str, path: str) -> str:
    if not _LETTERS_AND_DIGITS.fullmatch(entry):
        raise InputError(f"the list {path} holds {entry!r}, which is no single word of letters and digits; split it up")
    return entry


def _ascii(host: str) -> str:
    """The name in DNS: `xn--bcher-kva.example`."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _unicode(host: str) -> str:
    """The name in Unicode: `bücher.example`."""
    try:
        return host.encode("ascii").decode("idna") if "xn--" in host else host
    except UnicodeError:
        return host
