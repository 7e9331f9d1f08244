"""Consent: what owners of pages and images say about their use, in headers, in `/.well-known/tdmrep.json`, and in
lists.

X-Robots-Tag with the directives noai, noimageai, noindex, noimageindex, addressed to everyone or to our agent; the TDM
Reservation Protocol (W3C community group, TDMRep): the header `tdm-reservation: 1`, and the file of an origin; and
lists of URLs and domains that have opted out. Meta tags of pages are read by `m3w.pipeline.extract.metadata`. A mark
refuses; nothing unclear permits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.engine.list_file import read_entries
from m3w.pipeline.filters.blocklist import BlockList
from m3w.recipes.errors import InputError

OPTED_OUT = "opted_out"
TDM_FILE = "/.well-known/tdmrep.json"
TDM = "tdm-reservation"
DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex")
MAX_TDM_BYTES = 500 * 1024

_WITH_VALUE = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
"""Directives that contain a colon themselves: what precedes it is not an agent."""


class OptOut:
    """The union of the lists. A domain includes its subdomains; a URL matches whatever its scheme."""

    def __init__(self, entries: Iterable[str]):
        entries = set(entries)
        self._urls = {_without_scheme(entry) for entry in entries if "/" in entry}
        self._domains = BlockList(domains=[entry.lower().strip(".") for entry in entries if "/" not in entry])

    @classmethod
    def from_files(cls, paths: Iterable[str]) -> OptOut:
        """Raises `InputError` for a file that cannot be read or an entry that is neither a URL nor a domain."""
        entries = []
        for path in paths:
            for entry in read_entries(path):
                if " " in entry or "." not in entry:
                    raise InputError(
                        f"the opt-out list {path} holds {entry!r}, which is neither a URL nor a domain, so nothing "
                        "would be left out by it; write one of them per line"
                    )
                entries.append(entry)
        return cls(entries)

    def covers(self, url: str) -> bool:
        return _without_scheme(url) in self._urls or self._domains.reason(url) is not None


def _without_scheme(url: str) -> str:
    return without_fragment(url).rpartition("://")[2]


def refused_directive(headers: Iterable[str], agent: str, refuse: Collection[str]) -> str | None:
    """The first directive of X-Robots-Tag `headers` in `refuse` that addresses everyone or `agent`; None if there is
    none.

    `none` is `noindex, nofollow`. The name of an agent applies to all directives that follow it in the same header.
    """
    for header in headers:
        addressed = True
        for part in header.lower().split(","):
            name, colon, rest = part.strip().partition(":")
            if colon and name.strip() not in _WITH_VALUE:
                addressed = name.strip() in ("*", agent.lower())
                name = rest
            directive = "noindex" if name.strip() == "none" else name.strip()
            if addressed and directive in refuse:
                return directive
    return None


def page_marks(headers: Mapping[str, str], agent: str) -> set[str]:
    """The marks that a page's HTTP headers (names in lower case) carry; see `InterleavedDocument.opt_out`."""
    tags = [headers.get("x-robots-tag", "")]
    marks = {mark for mark in DIRECTIVES if refused_directive(tags, agent, [mark]) is not None}
    return marks | ({TDM} if TDM in headers and header_reserves([headers[TDM]]) else set())


def header_reserves(values: Iterable[str]) -> bool:
    """Whether a `tdm-reservation` header reserves the rights: anything but 0 does."""
    return any(value.strip() != "0" for value in values)


@dataclass(frozen=True)
class TdmRules:
    """The rules of an origin's `tdmrep.json`, in the file's order: the first whose location matches decides."""

    rules: tuple[tuple[str, bool], ...] = ()
    reserves_all: bool = False

    def reserves(self, path: str) -> bool:
        """Whether the rights to the URL path (with query) `path` are reserved."""
        for location, reserved in self.rules:
            if _matches(location, path):
                return reserved
        return self.reserves_all


NO_TDM_RULES = TdmRules()
UNCLEAR_TDM_RULES = TdmRules(reserves_all=True)


def tdm_rules(status: int, content: bytes) -> TdmRules:
    """The rules after a response of `status`. A missing file reserves nothing, an unreadable one everything."""
    if 400 <= status < 500 and status != 429:
        return NO_TDM_RULES
    if not 200 <= status < 300:
        return UNCLEAR_TDM_RULES
    if content.lstrip()[:1] == b"<":  # a site that answers every path with a page has no such file
        return NO_TDM_RULES
    try:
        entries = json.loads(content[:MAX_TDM_BYTES].decode("utf-8-sig"))
        return TdmRules(tuple(_rule(entry) for entry in (entries if isinstance(entries, list) else [entries])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return UNCLEAR_TDM_RULES


def _rule(entry: dict[str, Any]) -> tuple[str, bool]:
    location = str(entry.get("location", "/"))
    return location if location.startswith(("/", "*")) else f"/{location}", entry[TDM] not in (0, "0", False)


def _matches(location: str, path: str) -> bool:
    """As in robots.txt: a prefix of the path, `*` for anything, a final `$` for the end of the path; in linear time."""
    first, *parts = location.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    end = len(first)
    last = parts.pop() if location.endswith("$") and parts else None
    for part in parts:
        start = path.find(part, end)
        if start < 0:
            return False
        end = start + len(part)
    if last is not None:
        return len(path) - end >= len(last) and path.endswith(last)
    return end == len(path) or not location.endswith("$")
