"""The tree that decisions are made on: blocks that hold text, pictures, videos and blocks.

A block is an element that starts a new line (`div`, `p`, `li`, ...) or an unknown one; inline
elements dissolve into the text of the block they stand in. A page has some hundreds of blocks where
it has thousands of nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from m3w.pipeline.extract.events import Attributes

LONGEST_LABEL = 256
"""Characters; the rest of what a page calls a block says no more."""


class Block:
    """One block-level element. What is counted is the block's own until `total` adds what lies below."""

    chars: int
    linked: float
    commas: int
    images: int
    inputs: int
    paragraphs: int
    list_items: int
    headings: int
    """Characters in headings. These totals are of the block and all below it, once something has added them up."""
    score: float
    """Points for the paragraphs in and near it."""

    end = 0
    """The number after that of its last descendant."""
    own_chars = own_commas = own_images = own_inputs = 0
    own_linked = 0.0
    """Characters in links; in links within the page, a third of them."""

    def __init__(self, name: str, attributes: Attributes, label: str, parent: Block | None, number: int) -> None:
        self.name = name
        self.attributes = attributes
        self.label = label
        """Class and id, lower case."""
        self.parent = parent
        self.number = number
        """Its place in `Page.blocks`."""
        self.items: list[str | Block | Picture | Video] = []
        """In page order."""

    def blocks(self) -> list[Block]:
        """The blocks right below."""
        return [item for item in self.items if isinstance(item, Block)]


def label_of(attributes: Attributes) -> str:
    """Class and id, lower case."""
    label = attributes.get("class") or ""
    name = attributes.get("id")
    return (f"{label} {name}" if name else label)[:LONGEST_LABEL].lower()


@dataclass(slots=True, eq=False)
class Picture:
    """An element that shows a picture: its name and attributes, and what stands around it."""

    name: str
    """`img`, `amp-img`; `background`, whose address is in `style`; `video`, whose address is in `poster`;
    `figure` without a picture in it, whose address is in some attribute for a script."""
    attributes: Attributes
    link: str | None = None
    """The address that a click on it leads to."""
    sources: list[Attributes] = field(default_factory=list)
    """The attributes of the `source` elements of its `picture`."""
    in_noscript: bool = False


@dataclass(slots=True, eq=False)
class Video:
    """An element that plays a video: `video`, `iframe`, `embed`, `amp-...`; and its `source` elements."""

    name: str
    attributes: Attributes
    sources: list[Attributes] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """What one pass over the events gives."""

    blocks: list[Block]
    """In document order; the first is the root. A block's descendants are those up to its `end`."""
    base: str | None = None
    title: str | None = None
    html: Attributes = field(default_factory=dict)
    meta: list[Attributes] = field(default_factory=list)
    links: list[Attributes] = field(default_factory=list)
    """The attributes of every `link`, and of every `a` with a `rel`."""
    times: list[Attributes] = field(default_factory=list)

    def release(self) -> None:
        """Undo the circles of blocks and parents, so that memory is free at once, without the garbage collector."""
        for block in self.blocks:
            block.parent = None


EXAMPLES, LONGEST_ADDRESS = 3, 2000
"""Addresses that are kept of each reason, and characters of one."""


@dataclass(slots=True)
class LeftOut:
    """Of one page."""

    references: Counter[str] = field(default_factory=Counter)
    """Pictures and videos, by reason: `url_javascript`, `image_placeholder`, ..."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first addresses of each reason, as the page has them; empty where there is none."""
    page: Counter[str] = field(default_factory=Counter)
    """`page_cut`, `page_flattened`, `page_tag_cut`, `parsed_by_beautifulsoup`."""

    def add(self, reason: str, address: str) -> None:
        self.references[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES and address[:LONGEST_ADDRESS] not in examples:
            examples.append(address[:LONGEST_ADDRESS])
