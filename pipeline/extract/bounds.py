"""What would take a parser more than linear time is cut from the page first.

An HTML5 parser walks its stack of open elements at every start tag, and an element's attributes at
every attribute, so 100,000 nested tags or attributes cost it minutes. Browsers stop nesting at a
depth of 512. Pages too small for that are not looked at; of the rest, tags are counted once.
"""

from __future__ import annotations

import re
from collections import Counter

DEEPEST = 250
"""Open elements; tags nested deeper are left out, their content stays. The deepest real pages have about 100."""
MANY_TAGS = 30_000
"""Below this, even nested tags take a parser no more than half a second."""
MOST_TAGS = 60_000
"""Starts and ends that are looked at; the rest of the page is cut off. The largest of the shared pages has 9,000."""
LONG_TAG = 20_000
"""Characters; the attributes of a tag twice as long are counted."""
MOST_ATTRIBUTES = 10_000
"""Words in one tag; the attributes of a tag with more are left out."""

_LONG_TAG = re.compile(rf"<([a-zA-Z][^\s/>]{{0,50}})[^>]{{{LONG_TAG},}}>?")
_WORD = re.compile(r"[^\s/=]+")
_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|xmp)\b.*?(?:</\1|\Z)|<(/?)([a-zA-Z][^\s/>]*)(?:[^>\"']|\"[^\"]*\"|'[^']*')*>?",
    re.IGNORECASE | re.DOTALL,
)
_NEST_NOT = frozenset(
    (
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "option",
    )
)
"""Void elements, and those that a second one closes."""


def bounded(html: str, source: bytes, counters: Counter[str]) -> str:
    """`html` without what nests too deep and without attributes beyond counting; counted where anything is cut.

    `source` are the bytes that `html` was decoded from, in which tags are counted faster.
    """
    if any(source.find(b">", start, start + LONG_TAG) < 0 for start in range(0, len(source) - LONG_TAG, LONG_TAG)):
        html = _LONG_TAG.sub(lambda match: _short_tag(match, counters), html)
    if len(source) > 3 * MANY_TAGS and (tags := source.count(b"<")) > MANY_TAGS:
        html = _flat(_first_tags(html, counters) if tags > MOST_TAGS else html, counters)
    return html


def _first_tags(html: str, counters: Counter[str]) -> str:
    position = 0
    for _ in range(MOST_TAGS):
        position = html.find("<", position) + 1
    counters["page_cut"] += 1
    return html[: position - 1]


def _short_tag(match: re.Match[str], counters: Counter[str]) -> str:
    words = 0
    for words, _ in enumerate(_WORD.finditer(match[0]), 1):
        if words > MOST_ATTRIBUTES:
            counters["page_tag_cut"] += 1
            return f"<{match[1]}>"
    return match[0]


def _flat(html: str, counters: Counter[str]) -> str:
    """`html` without the tags that open below `DEEPEST`, and without their ends."""
    opened: dict[str, list[bool]] = {}
    depth, last, kept = 0, 0, []
    for match in _PIECE.finditer(html):
        name = match[3]
        if name is None:
            continue
        name = name.lower()
        if name in _NEST_NOT:
            continue
        stack = opened.setdefault(name, [])
        if not match[2]:
            fits = depth < DEEPEST
            stack.append(fits)
            depth += fits
        else:
            fits = stack.pop() if stack else True
            depth -= fits and depth > 0
        if not fits:
            kept.append(html[last : match.start()])
            last = match.end()
            counters["page_flattened"] = 1
    kept.append(html[last:])
    return "".join(kept) if last else html
