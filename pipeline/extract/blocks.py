"""Events to blocks, in one pass: the tree that decisions are made on.

A block is an element that starts a new line (`div`, `p`, `li`, ...) or an unknown one; inline
elements dissolve into the text of the block they stand in. A block holds runs of text, pictures and
blocks in page order, and counts of its own text. The tree has a tenth of the page's nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.extract.events import END, TEXT, Attributes, Event
from pipeline.extract.vocabulary import is_hidden

INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "math",
        "nobr",
        "q",
        "rb",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "mi",
        "mn",
        "mo",
        "mrow",
        "msup",
        "msub",
        "mfrac",
        "mtext",
        "semantics",
    ]
)
_BREAK = "\0"
"""Stands for `<br>` in pending text; the decoder lets no NUL through."""


class Block:
    """One block-level element; `items` are its runs of text, its pictures and its blocks in page order."""

    __slots__ = (
        "attributes",
        "chars",
        "commas",
        "hidden",
        "images",
        "items",
        "label",
        "link_chars",
        "name",
        "number",
        "parent",
        "score",
    )

    def __init__(self, name: str, attributes: Attributes, parent: Block | None, number: int) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent
        self.number = number
        self.items: list[str | Block | Picture] = []
        self.chars = self.link_chars = self.commas = self.images = 0
        self.hidden = False
        self.score = 0.0
        label = f"{attributes.get('class') or ''} {attributes.get('id') or ''}" if attributes else " "
        self.label = label.lower() if len(label) > 1 else ""


@dataclass(slots=True)
class Picture:
    """An element that shows a picture: its name and attributes, and those of what stands around it."""

    name: str
    attributes: Attributes
    link: str | None = None
    sources: list[Attributes] = field(default_factory=list)
    in_noscript: bool = False


@dataclass(slots=True)
class Page:
    """What one pass over the events gives."""

    blocks: list[Block]
    """In document order; the first is the root."""
    base: str | None = None
    title: str | None = None
    html: Attributes = field(default_factory=dict)
    meta: list[Attributes] = field(default_factory=list)
    links: list[Attributes] = field(default_factory=list)


_HEAD = frozenset(("html", "head", "title", "base", "meta", "link", "body"))


def build(events: Iterable[Event]) -> Page:
    """The page of `events`; linear in their number."""
    root = Block("html", {}, None, 0)
    page = Page([root])
    blocks = page.blocks
    block = root
    pieces: list[str] = []
    link_chars = 0
    links: list[str | None] = []
    sources: list[Attributes] = []
    noscript = pre = hidden_inline = 0
    inline_hidden: list[bool] = []
    in_title = False

    def flush() -> None:
        nonlocal link_chars
        if not pieces:
            return
        text = "".join(pieces)
        pieces.clear()
        if not pre:
            text = " ".join(text.split()) if _BREAK not in text else _lines(text)
        elif not text.strip():
            text = ""
        if text:
            block.items.append(text.replace(_BREAK, "\n") if pre else text)
            block.chars += len(text)
            block.link_chars += min(link_chars, len(text))
            block.commas += text.count(",") + text.count("，") + text.count("、") + text.count("،")
        link_chars = 0

    for name, value in events:
        if name == TEXT:
            if in_title:
                page.title = (page.title or "") + value
            elif not hidden_inline:
                pieces.append(value)
                if links and links[-1]:
                    link_chars += len(value)
        elif name == END:
            if value in INLINE:
                if value == "a" and links:
                    links.pop()
                elif value == "span" and inline_hidden and inline_hidden.pop():
                    hidden_inline -= 1
            elif value == "br":
                pass
            elif value == "noscript":
                noscript -= 1
            elif value == "picture":
                sources = []
            elif value == "title":
                in_title = False
            elif value in _HEAD or value in ("img", "source", "amp-img", "input", "embed", "hr"):
                pass
            else:
                flush()
                if value == "pre":
                    pre -= 1
                if block.parent is not None:
                    block = block.parent
        elif name in INLINE:
            if name == "a":
                links.append(value.get("href"))
            elif name == "span":
                inline_hidden.append(bool(value) and is_hidden(value))
                hidden_inline += inline_hidden[-1]
        elif name == "br":
            pieces.append(_BREAK)
        elif name == "img" or name == "amp-img":
            flush()
            block.items.append(Picture(name, value, links[-1] if links else None, sources, noscript > 0))
            block.images += 1
        elif name == "source":
            sources.append(value)
        elif name == "picture":
            sources = []
        elif name == "noscript":
            noscript += 1
        elif name == "meta":
            page.meta.append(value)
        elif name == "link":
            page.links.append(value)
        elif name == "base":
            page.base = page.base or value.get("href")
        elif name == "title":
            in_title = page.title is None
        elif name == "html":
            page.html = value
        elif name in ("input", "embed", "hr", "head", "body"):
            flush()
        else:
            flush()
            child = Block(name, value, block, len(blocks))
            blocks.append(child)
            block.items.append(child)
            block = child
            child.hidden = bool(value) and is_hidden(value)
            if name == "pre":
                pre += 1
    flush()
    return page


def _lines(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.split(_BREAK)]
    return "\n".join(lines).strip("\n")
