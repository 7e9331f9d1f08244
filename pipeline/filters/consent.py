"""Consent: what the owner of an image says of its use, in headers and in `/.well-known/tdmrep.json`.

X-Robots-Tag with the directives noai, noimageai, noindex, noimageindex, addressed to all or to our agent; and the TDM
Reservation Protocol (W3C community group, TDMRep): the header `tdm-reservation: 1`, and the file of an origin. Meta
tags of pages are read by `m3w.pipeline.extract.metadata`. A mark refuses; nothing that is unclear permits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TDM_FILE = "/.well-known/tdmrep.json"
TDM = "tdm-reservation"
DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex")
MAX_TDM_BYTES = 500 * 1024

_WITH_VALUE = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
"""Directives that have a colon of their own: what stands before it is no agent."""


def refused_directive(headers: Iterable[str], agent: str, refuse: Collection[str]) -> str | None:
    """The first of X-Robots-Tag's directives in `refuse` that speaks to everyone or to `agent`; None if none does.

    `none` is `noindex, nofollow`. An agent named once holds for the directives that follow it in the same header.
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
    """Whether a `tdm-reservation` header reserves the rights: anything but a plain 0 does."""
    return any(value.strip() != "0" for value in values)


@dataclass(frozen=True)
class TdmRules:
    """The rules of one origin's `tdmrep.json`, in the file's order: the first whose location matches decides."""

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
    """The rules after an answer of `status`. No such file reserves nothing; one that cannot be read reserves all."""
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
    """As in robots.txt: a prefix of the path, `*` for anything, a last `$` for the path's end; in linear time."""
    first, *parts = location.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = parts.pop() if location.endswith("$") and parts else None
    for part in parts:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if last is not None:
        return len(path) - at >= len(last) and path.endswith(last)
    return at == len(path) or not location.endswith("$")
