"""Selected blocks to nodes: texts and image references in page order.

The blocks are first flattened to a list of items. Each item then becomes a node, depending on its neighbours: a caption
is added to the pictures before it, a `noscript` picture replaces its twin, and table rows become lines of one text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from m3w.pipeline.extract.blocks import Block, LeftOut, Picture, Video
from m3w.pipeline.extract.images import reference, video_reference
from m3w.pipeline.extract.main_content import LONGEST_CAPTION, Selection
from m3w.schemas.document import ImageReference

Node = str | ImageReference
CELL_SEPARATOR = " | "
LONGEST_CELL = 200
"""Characters; a row with a longer cell is layout, and its cells become paragraphs."""
MOST_PICTURES = 3_000
"""Pictures of one page; the others are left out. Recipes keep documents with a few dozen at most."""
LARGEST_ROW = 200
"""Blocks; a larger row or caption is not joined to one line."""


_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))


@dataclass(slots=True)
class Item:
    """A text, picture or video with its context."""

    content: str | Picture | Video
    group: int = 0
    """Number of the `pre` or table around it, whose text becomes one node; 0 for none."""
    figure: int = 0
    """Number of the `figure` around it; 0 for none."""
    is_caption: bool = False
    is_heading: bool = False


def nodes(blocks: list[Block], selection: Selection, base: str, videos: bool, left_out: LeftOut) -> list[Node]:
    """The nodes of the selected blocks."""
    items = _in_page_order(blocks, selection)
    return _Writer(base, videos, left_out, _shared(items)).write(items)


def _in_page_order(blocks: list[Block], selection: Selection) -> list[Item]:
    items: list[Item] = []
    stack: list[tuple[str | Block | Picture | Video, int, int]] = [(root, 0, 0) for root in reversed(selection.roots)]
    dropped = selection.dropped
    while stack:
        content, group, figure = stack.pop()
        if not isinstance(content, Block):
            items.append(Item(content, group, figure))
            continue
        number, name = content.number, content.name
        if number in dropped:
            continue
        if name == "figure":
            figure = number
        elif name == "pre":
            group = number
        elif name == "tr":
            row = _row(blocks, content, dropped)
            if row is not None:
                items.append(Item(row, content.parent.number if content.parent else 0, figure))
                continue
        elif name in _HEADINGS:
            items += [
                Item(item, group, figure, is_heading=isinstance(item, str))
                for item in content.items
                if not isinstance(item, Block)
            ]
            stack += [(item, group, figure) for item in reversed(content.blocks())]
            continue
        elif content.is_caption:
            text = _text(blocks, content, dropped)
            if text is not None and (name == "figcaption" or len(text) <= LONGEST_CAPTION):
                items.append(Item(text, 0, figure, True))
                continue
        stack += [(item, group, figure) for item in reversed(content.items)]
    return items


def _text(blocks: list[Block], block: Block, dropped: set[int]) -> str | None:
    """All text of `block` in one line; None if it has pictures or is too large."""
    if block.end - block.number > LARGEST_ROW:
        return None
    pieces: list[str] = []
    stack: list[str | Block | Picture | Video] = [block]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        elif not isinstance(item, Block):
            return None
        elif item.number not in dropped:
            stack += reversed(item.items)
    return " ".join(pieces).replace("\n", " ")


def _row(blocks: list[Block], row: Block, dropped: set[int]) -> str | None:
    """The cells of a table row in one line; None if the row is layout."""
    cells: list[str] = []
    if row.end - row.number > LARGEST_ROW:
        return None
    for cell in row.blocks():
        if cell.number not in dropped:
            text = _text(blocks, cell, dropped)
            if text is None or len(text) > LONGEST_CELL:
                return None
            cells.append(text)
    return CELL_SEPARATOR.join(cells) if sum(map(bool, cells)) > 1 else None


def _shared(items: Iterable[Item]) -> frozenset[str]:
    """The `src` values that several pictures with further addresses share: placeholders, whatever their name."""
    counts: Counter[str] = Counter()
    for item in items:
        if isinstance(item.content, Picture) and len(item.content.attributes) > 1:
            src = (item.content.attributes.get("src") or "").strip()
            if src and any(name.startswith("data-") for name in item.content.attributes):
                counts[src] += 1
    return frozenset(src for src, count in counts.items() if count > 1)


class _Writer:
    """Turns items into nodes one by one."""

    def __init__(self, base: str, videos: bool, left_out: LeftOut, shared: frozenset[str]) -> None:
        self.base, self.videos, self.left_out, self.shared = base, videos, left_out, shared
        self.nodes: list[Node] = []
        self.figures: list[int] = []
        """The figure of each node."""
        self.group = 0
        self.pictures = 0
        self.last_headings = 0
        """Number of headings at the end of `nodes`."""
        self.from_noscript = False
        self.early_caption: tuple[int, str] = (0, "")

    def write(self, items: list[Item]) -> list[Node]:
        for item in items:
            if isinstance(item.content, str):
                self._add_text(item, item.content)
            elif isinstance(item.content, Picture):
                self._add_picture(item, item.content)
            elif self.videos:
                video = video_reference(item.content, self.base, self.left_out)
                if video is not None:
                    self._add(video, item.figure)
        while self.last_headings and self.nodes:  # a heading at the end belongs to what was left out
            self.nodes.pop()
            self.last_headings -= 1
        return self.nodes

    def _add(self, node: Node, figure: int) -> None:
        self.nodes.append(node)
        self.figures.append(figure)
        self.last_headings = 0
        self.group = 0

    def _add_text(self, item: Item, text: str) -> None:
        if item.is_caption:
            self._caption(text, item.figure)
        last = self.nodes[-1] if self.nodes else None
        if item.group and item.group == self.group and isinstance(last, str):
            self.nodes[-1] = f"{last}\n{text}"
        elif text:
            headings = self.last_headings
            self._add(text, item.figure)
            self.group = item.group
            self.last_headings = headings + 1 if item.is_heading else 0

    def _caption(self, text: str, figure: int) -> None:
        """Set `text` as the caption of the pictures of its figure, else of the picture right before it."""
        given = False
        for node, node_figure in zip(reversed(self.nodes), reversed(self.figures), strict=True):
            if node_figure != figure or (not figure and not isinstance(node, ImageReference)):
                break
            if isinstance(node, ImageReference):
                node.caption = node.caption or text
                given = True
                if not figure:
                    break
        if figure and not given:
            self.early_caption = (figure, text)

    def _add_picture(self, item: Item, picture: Picture) -> None:
        self.pictures += 1
        if self.pictures > MOST_PICTURES:
            self.left_out.add("image_beyond_limit", picture.attributes.get("src") or "")
            return
        image = reference(picture, self.base, self.left_out, self.shared)
        if image is None:
            return
        before = self.nodes[-1] if self.nodes else None
        near = isinstance(before, ImageReference) and (picture.in_noscript or self.from_noscript)
        if near and isinstance(before, ImageReference) and _are_twins(before.url, image.url):
            image.alt = image.alt or before.alt
            self.nodes.pop()
            self.figures.pop()
            self.left_out.add("image_twin", before.url)
        self.from_noscript = picture.in_noscript
        if item.figure and item.figure == self.early_caption[0]:
            image.caption = self.early_caption[1]
        self._add(image, item.figure)


def _are_twins(first: str, second: str) -> bool:
    """Whether two addresses name the same file, perhaps in two sizes."""
    return _file(first) == _file(second)


def _file(url: str) -> str:
    return url.split("?", 1)[0].rsplit("/", 1)[-1]
