"""The event interface between parsers and the rest (start, text, end), and limits on what a parser gets.

`send_events` reports each element's start, each run of text and each element's end to a `Receiver`, well nested and in
document order, in one step per node.

`bounded` first cuts what would cost a parser more than linear time: an HTML5 parser walks its stack of open elements at
every start tag, and an element's attributes at every attribute, so 100,000 nested tags or attributes take it minutes.
Browsers limit nesting to 512. Pages too small to matter are not checked; in larger ones, tags are counted once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from bs4 import BeautifulSoup, Tag
from bs4.element import CData, NavigableString
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

DEEPEST = 250
"""Open elements; deeper tags are removed, their content stays. The deepest real pages have about 100."""
MANY_TAGS = 30_000
"""With fewer, even nested tags take a parser at most half a second."""
MOST_TAGS = 60_000
"""Start and end tags; the rest of the page is cut off. The largest of the shared test pages has 9,000."""
LONG_TAG = 20_000
"""Characters; the attributes of longer tags are counted."""
MOST_ATTRIBUTES = 10_000
"""Words in one tag; a tag with more loses its attributes."""

_LONG_TAG = re.compile(rf"<([a-zA-Z][^\s/>]{{0,50}})[^>]{{{LONG_TAG},}}>?")
_WORD = re.compile(r"[^\s/=]+")
_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|xmp)\b.*?(?:</\1|\Z)|<(/?)([a-zA-Z][^\s/>]*)(?:[^>\"']|\"[^\"]*\"|'[^']*')*>?",
    re.IGNORECASE | re.DOTALL,
)
_UNNESTED = frozenset(
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
"""Void elements, and elements that the next one of their kind closes."""


def bounded(html: str, source: bytes, counters: Counter[str]) -> str:
    """`html` without tags that are nested too deeply and without excessive attributes; `counters` counts the cuts.

    `source` is the bytes from which `html` was decoded; counting tags in bytes is faster.
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
    """`html` without the start and end tags of elements deeper than `DEEPEST`."""
    opened: dict[str, list[bool]] = {}
    depth, last, kept = 0, 0, []
    for match in _PIECE.finditer(html):
        name = match[3]
        if name is None:
            continue
        name = name.lower()
        if name in _UNNESTED:
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


Attributes = Mapping[str, str | None]
"""Names in lower case; None for an attribute without a value."""


class Receiver(Protocol):
    """Receives the events of a parser."""

    def start(self, name: str, attributes: Attributes) -> bool | None:
        """Return True to skip the element: no events for its content and its end."""

    def text(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...


# fmt: off
NEVER_SHOWN = frozenset((
    "canvas", "datalist", "noembed", "noframes", "script", "select", "style", "svg", "template", "textarea",
))
"""Elements whose content is not text of the page; no events are sent for them."""
SILENT = frozenset((
    "b", "big", "cite", "code", "dfn", "em", "font", "i", "kbd", "mark", "q", "rb", "ruby", "s", "samp", "small",
    "strong", "sub", "sup", "tt", "u", "var", "wbr",
))
"""Elements that only change how text looks: events are sent for their content only."""
WITHOUT_ATTRIBUTES = frozenset(("br", "hr", "rp", "rt", "tbody", "tfoot", "thead", "title", "tr"))
"""Elements whose attributes are not needed; reading attributes costs as much as everything else about an element."""
# fmt: on

_NONE: Attributes = {}
_TEXT = 2
"""Lexbor's tag id of text nodes."""
_COMMON = (
    "a article aside b body br button cite code dd div dl dt em figcaption figure footer form h1 h2 h3 h4 h5 h6 head "
    "header hr html i iframe img input label li link main meta nav noscript ol option p path picture pre script "
    "section select small source span strong style svg table "
    "tbody td th time title tr ul"
)


def _names_by_tag_id() -> dict[int, str]:
    """Names of common elements by Lexbor's tag id, which is faster to read than the name."""
    parser = LexborHTMLParser("<p>")
    return {parser.create_node(name).tag_id: name for name in _COMMON.split()}


_NAMES = _names_by_tag_id()


def send_events(html: str | bytes, receiver: Receiver, counters: Counter[str]) -> None:
    """Send the events of `html` as parsed by Lexbor; pages that it rejects are counted and parsed by BeautifulSoup."""
    try:
        parser = LexborHTMLParser(html)
    except (SelectolaxError, RuntimeError, MemoryError, ValueError, UnicodeError):
        counters["parsed_by_beautifulsoup"] += 1
        send_soup(html, receiver)
    else:
        send_lexbor(parser, receiver)


def send_lexbor(parser: LexborHTMLParser, receiver: Receiver) -> None:
    """Send the events of a page as parsed by Lexbor: the WHATWG tree, scripting off.

    Ancestors are kept on a stack, since reading a node's parent is slow.
    """
    start, text, end = receiver.start, receiver.text, receiver.end
    above: list[tuple[LexborNode, str]] = []
    node = parser.root
    while node is not None:
        number = node.tag_id
        if number == _TEXT:
            text(node.text_content or "")
        else:
            name = _NAMES.get(number) or node.tag or "-"
            if name in SILENT:
                child = node.first_child
                if child is not None:
                    above.append((node, ""))
                    node = child
                    continue
            elif name in NEVER_SHOWN or name[0] == "-":
                pass
            elif not start(name, _NONE if name in WITHOUT_ATTRIBUTES else node.attributes):
                child = node.first_child
                if child is not None:
                    above.append((node, name))
                    node = child
                    continue
                end(name)
        following = node.next
        while following is None and above:
            node, name = above.pop()
            if name:
                end(name)
            following = node.next
        node = following


def send_soup(html: str | bytes, receiver: Receiver, builder: str = "lxml") -> None:
    """Send the events of `html` as parsed by BeautifulSoup: with lxml as the fallback, with html5lib as a test oracle.

    Bytes are UTF-8, as for Lexbor; by itself, BeautifulSoup would obey the page's `meta`.
    """
    text = html if isinstance(html, str) else html.decode("utf-8", "replace")
    stack: list[Any] = [_events_of(BeautifulSoup(text, builder))]
    names: list[str] = []
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            name = names.pop() if names else ""
            if name:
                receiver.end(name)
        elif isinstance(node, Tag):
            if node.name in NEVER_SHOWN:
                continue
            name = "" if node.name in SILENT else node.name
            attributes = _NONE if node.name in WITHOUT_ATTRIBUTES else _plain(node.attrs)
            if not name or not receiver.start(name, attributes):
                names.append(name)
                stack.append(_events_of(node))
        elif type(node) in (NavigableString, CData):
            receiver.text(str(node))


def _events_of(node: Tag) -> Iterator[Any]:
    return iter(node.contents)


def _plain(attributes: Mapping[str, Any]) -> Attributes:
    """Attributes as in the page; BeautifulSoup splits `class` and `rel` into lists."""
    return {str(name): " ".join(value) if isinstance(value, list) else str(value) for name, value in attributes.items()}
