"""The tree of a page: blocks that contain text, pictures, videos and other blocks.

A block is an element that starts a new line (`div`, `p`, `li`, ...) or an unknown one; inline elements become part of
their block's text. A page has some hundreds of blocks and thousands of nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from m3w.pipeline.extract.events import Attributes

LONGEST_LABEL = 256
"""Characters; longer labels are cut."""


class Block:
    """A block-level element. Counts named `own_...` are of the block without its descendants."""

    chars: int
    linked: float
    commas: int
    images: int
    inputs: int
    paragraphs: int
    list_items: int
    captions: int
    """Blocks that are captions of pictures."""
    headings: int
    """Characters in headings. The counts so far are totals of the block and its descendants, set by `main_content`."""
    score: float
    """Points for the paragraphs in it and near it."""

    end = 0
    """The number after that of its last descendant."""
    is_caption = False
    """Whether its name or label says that it is a picture's caption."""
    own_chars = own_commas = own_images = own_inputs = 0
    own_linked = 0.0
    """Characters in links; links within the page count for a third."""

    def __init__(self, name: str, attributes: Attributes, label: str, parent: Block | None, number: int) -> None:
        self.name = name
        self.attributes = attributes
        self.label = label
        """Class and id, lower case."""
        self.parent = parent
        self.number = number
        """Its index in `Page.blocks`."""
        self.items: list[str | Block | Picture | Video] = []
        """In page order."""

    def blocks(self) -> list[Block]:
        """The child blocks."""
        return [item for item in self.items if isinstance(item, Block)]


def label_of(attributes: Attributes) -> str:
    """Class and id, lower case."""
    label = attributes.get("class") or ""
    name = attributes.get("id")
    return (f"{label} {name}" if name else label)[:LONGEST_LABEL].lower()


@dataclass(slots=True, eq=False)
class Picture:
    """An element that shows a picture: its name and attributes, and its context."""

    name: str
    """`img`, `amp-img`; `background` with the address in `style`; `video` with the address in `poster`;
    `figure` without a picture in it, with the address in an attribute for a script."""
    attributes: Attributes
    link: str | None = None
    """Target of the link around it."""
    sources: list[Attributes] = field(default_factory=list)
    """The attributes of the `source` elements of its `picture`."""
    in_noscript: bool = False


@dataclass(slots=True, eq=False)
class Video:
    """An element that plays a video: `video`, `iframe`, `embed`, `amp-...`, with its `source` elements."""

    name: str
    attributes: Attributes
    sources: list[Attributes] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """The result of one pass over the events."""

    blocks: list[Block]
    """In document order, the root first. The descendants of a block follow it, up to its `end`."""
    base: str | None = None
    title: str | None = None
    html: Attributes = field(default_factory=dict)
    meta: list[Attributes] = field(default_factory=list)
    links: list[Attributes] = field(default_factory=list)
    """The attributes of every `link`, and of every `a` with a `rel`."""
    times: list[Attributes] = field(default_factory=list)

    def release(self) -> None:
        """Break the reference cycles of blocks and parents, so that memory is freed without the garbage collector."""
        for block in self.blocks:
            block.parent = None


EXAMPLES, LONGEST_ADDRESS = 3, 2000
"""Addresses kept for each reason, and characters of each."""


@dataclass(slots=True)
class LeftOut:
    """What the extractor left out of a page, and what it did to the page."""

    references: Counter[str] = field(default_factory=Counter)
    """Pictures and videos, by reason: `url_javascript`, `image_placeholder`, ..."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first addresses for each reason, as written in the page."""
    page: Counter[str] = field(default_factory=Counter)
    """`page_cut`, `page_flattened`, `page_tag_cut`, `parsed_by_beautifulsoup`."""

    def add(self, reason: str, address: str) -> None:
        self.references[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES and address[:LONGEST_ADDRESS] not in examples:
            examples.append(address[:LONGEST_ADDRESS])
