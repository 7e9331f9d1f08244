"""The small event interface between parsers and everything else: start, text, end.

A parser tells a `Receiver` of each element's start, of each run of text and of each element's end,
well nested and in document order. The walk costs one step a node and never edits what it walks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from selectolax.lexbor import LexborHTMLParser

Attributes = Mapping[str, str | None]
"""Names in lower case; None for an attribute without a value."""


class Receiver(Protocol):
    """What a parser talks to."""

    def start(self, name: str, attributes: Attributes) -> None: ...
    def text(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...


NEVER_SHOWN = ("script", "style", "template", "svg", "noembed", "noframes", "canvas", "datalist", "select", "textarea")
"""Elements whose content is no text of the page; Lexbor cuts them off before the walk."""

WITHOUT_ATTRIBUTES = frozenset(
    # fmt: off
    (
        "b",
        "big",
        "br",
        "cite",
        "code",
        "em",
        "font",
        "hr",
        "i",
        "kbd",
        "mark",
        "q",
        "rb",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "strong",
        "sub",
        "sup",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "tt",
        "u",
        "var",
        "wbr",
    )
    # fmt: on
)
"""Elements whose attributes nobody asks for; reading them would cost a fifth of the walk."""

_NONE: Attributes = {}


def send_lexbor(html: str, receiver: Receiver) -> None:
    """Tell `receiver` of `html` as Lexbor reads it: the WHATWG tree, scripting off."""
    parser = LexborHTMLParser(html.encode("utf-8", "replace"))
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
        parent_id = node.parent.mem_id
        while open_id != parent_id:
            open_id = open_ids.pop()
            end(names.pop())
        name = node.tag
        if name == "-text":
            text(node.text_content)
        elif name and name[0] != "-":
            open_ids.append(open_id)
            open_id = node.mem_id
            names.append(name)
            start(name, _NONE if name in WITHOUT_ATTRIBUTES else node.attributes)
    while names:
        end(names.pop())
