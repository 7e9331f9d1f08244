"""The small event interface between parsers and everything else: start, text, end.

An event is a pair `(name, value)`: a start tag is its name and its attributes, a text is `TEXT` and
the string, an end tag is `END` and the element's name. Events are well nested and in document
order; the walk costs one step a node and never edits the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from selectolax.lexbor import LexborHTMLParser

TEXT = ""
END = "/"
Attributes = Mapping[str, str | None]
Event = tuple[str, Any]

NEVER_SHOWN = ("script", "style", "template", "svg", "noembed", "noframes", "canvas", "datalist", "select", "textarea")
"""Elements whose content is no text of the page; they are cut off before the walk."""

_NO_ATTRIBUTES: dict[str, str | None] = {}
_PLAIN = frozenset(
    [
        "b",
        "i",
        "em",
        "strong",
        "br",
        "u",
        "s",
        "small",
        "big",
        "sub",
        "sup",
        "code",
        "tt",
        "kbd",
        "var",
        "samp",
        "cite",
        "q",
        "font",
        "wbr",
        "tbody",
        "thead",
        "tr",
    ]
)
"""Elements whose attributes nobody asks for; reading them would cost a third of the walk."""


def lexbor_events(html: str) -> Iterator[Event]:
    """The events of `html` as Lexbor reads it (the WHATWG tree, scripting off)."""
    parser = LexborHTMLParser(html.encode("utf-8", "replace"))
    parser.strip_tags(list(NEVER_SHOWN))
    root = parser.root
    if root is None:
        return
    above = root.parent
    open_ids: list[int] = [above.mem_id if above is not None else 0]
    open_names: list[str] = [""]
    for node in root.traverse(include_text=True):
        parent = node.parent
        parent_id = parent.mem_id if parent is not None else 0
        while open_ids[-1] != parent_id:
            open_ids.pop()
            yield END, open_names.pop()
        name = node.tag
        if name == "-text":
            yield TEXT, node.text_content
        elif name and name[0] != "-":
            open_ids.append(node.mem_id)
            open_names.append(name)
            yield name, _NO_ATTRIBUTES if name in _PLAIN else node.attributes
    while len(open_names) > 1:
        yield END, open_names.pop()
