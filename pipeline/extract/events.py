"""The small event interface between parsers and everything else: start, text, end.

A parser tells a `Receiver` of each element's start, of each run of text and of each element's end,
well nested and in document order. The walk costs one step a node and never edits what it walks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from bs4 import BeautifulSoup, Tag
from bs4.element import CData, NavigableString
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

Attributes = Mapping[str, str | None]
"""Names in lower case; None for an attribute without a value."""


class Receiver(Protocol):
    """What a parser talks to."""

    def start(self, name: str, attributes: Attributes) -> None: ...
    def text(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...


NEVER_SHOWN = ("script", "style", "template", "svg", "noembed", "noframes", "canvas", "datalist", "select", "textarea")
"""Elements whose content is no text of the page; Lexbor cuts them off before the walk."""

# fmt: off
WITHOUT_ATTRIBUTES = frozenset((
    "b", "big", "br", "cite", "code", "em", "font", "hr", "i", "kbd", "mark", "q", "rb", "rp", "rt", "ruby", "s",
    "samp", "small", "strong", "sub", "sup", "tbody", "tfoot", "thead", "tr", "tt", "u", "var", "wbr",
))
# fmt: on
"""Elements whose attributes nobody asks for; reading them would cost a fifth of the walk."""

_NONE: Attributes = {}


def send_events(html: str, receiver: Receiver, counters: Counter[str]) -> None:
    """Tell `receiver` of `html` by Lexbor; what Lexbor cannot take goes to BeautifulSoup, and is counted."""
    try:
        parser = LexborHTMLParser(html)
    except (SelectolaxError, RuntimeError, MemoryError, ValueError, UnicodeError):
        counters["parsed_by_beautifulsoup"] += 1
        send_soup(html, receiver)
    else:
        send_lexbor(parser, receiver)


def send_lexbor(parser: LexborHTMLParser, receiver: Receiver) -> None:
    """Tell `receiver` of a page as Lexbor reads it: the WHATWG tree, scripting off."""
    parser.strip_tags(list(NEVER_SHOWN))
    root = parser.root
    if root is None:
        return
    start, text, end = receiver.start, receiver.text, receiver.end
    above = root.parent
    open_id = above.mem_id if above is not None else 0
    open_ids: list[int] = []
    names: list[str] = []
    for node in root.traverse(include_text=True):
        parent_id = node.parent.mem_id  # type: ignore[union-attr]  # only the document has none
        while open_id != parent_id:
            open_id = open_ids.pop()
            end(names.pop())
        name = node.tag
        if name == "-text":
            text(node.text_content or "")
        elif name and name[0] != "-":
            open_ids.append(open_id)
            open_id = node.mem_id
            names.append(name)
            start(name, _NONE if name in WITHOUT_ATTRIBUTES else node.attributes)
    while names:
        end(names.pop())


def send_soup(html: str, receiver: Receiver, builder: str = "lxml") -> None:
    """Tell `receiver` of `html` as BeautifulSoup reads it: with lxml as the fallback, with html5lib as the oracle."""
    stack: list[Any] = [_events_of(BeautifulSoup(html, builder))]
    names: list[str] = []
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            if names:
                receiver.end(names.pop())
        elif isinstance(node, Tag):
            if node.name in NEVER_SHOWN:
                continue
            names.append(node.name)
            receiver.start(node.name, _NONE if node.name in WITHOUT_ATTRIBUTES else _plain(node.attrs))
            stack.append(_events_of(node))
        elif type(node) in (NavigableString, CData):
            receiver.text(str(node))


def _events_of(node: Tag) -> Iterator[Any]:
    return iter(node.contents)


def _plain(attributes: Mapping[str, Any]) -> Attributes:
    """BeautifulSoup splits `class` and `rel` into lists; here they are as the page has them."""
    return {str(name): " ".join(value) if isinstance(value, list) else str(value) for name, value in attributes.items()}
