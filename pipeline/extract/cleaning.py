"""What is left out inside the main content: from the leaves up, block by block, on counts alone."""

from __future__ import annotations

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.phrases import points_elsewhere
from m3w.pipeline.extract.vocabulary import is_sharing, is_signature, weight

LONGEST_SIGNATURE = 120
"""Characters of a block that its label calls author, date or the like."""

_NEVER = frozenset(("object", "dialog", "menu", "nav", "footer", "aside"))
_DOUBTFUL = frozenset(("table", "ul", "ol", "div", "form", "fieldset", "section", "dl"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))


def clean(blocks: list[Block], root: Block, dropped: set[int], title: str, doubtful: bool, weigh_labels: bool) -> int:
    """Add to `dropped` what does not belong in `root`; returns the characters left.

    `title` is the page's, as `comparable` gives it.
    """
    inside = [root]
    number = root.number + 1
    while number < root.end:
        block = blocks[number]
        if number in dropped:
            number = block.end
            continue
        inside.append(block)
        number += 1
    for block in inside:
        block.chars, block.linked, block.commas, block.images = (
            block.own_chars,
            block.own_linked,
            block.own_commas,
            block.own_images,
        )
        block.inputs, block.paragraphs, block.list_items, block.headings = block.own_inputs, 0, 0, 0
    for block in reversed(inside[1:]):
        if _is_left_out(block, title, doubtful, weigh_labels):
            dropped.add(block.number)
        else:
            _add(block, block.parent)
    return root.chars


def _add(block: Block, parent: Block | None) -> None:
    assert parent is not None  # only the page's root has none, and it is not inside anything
    name = block.name
    parent.chars += block.chars
    parent.linked += block.linked
    parent.commas += block.commas
    parent.images += block.images
    parent.inputs += block.inputs
    parent.paragraphs += block.paragraphs + (name == "p")
    parent.list_items += block.list_items + (name == "li")
    parent.headings += block.chars if name in _HEADINGS else block.headings


def _is_left_out(block: Block, title: str, doubtful: bool, weigh_labels: bool) -> bool:
    name = block.name
    if name in _NEVER or (block.label and block.chars < 500 and is_sharing(block.label)):
        return True
    if not doubtful:
        return False
    if block.label and block.chars < LONGEST_SIGNATURE and not block.images and is_signature(block.label):
        return True
    if block.own_linked and points_elsewhere(block):
        return True
    points = weight(block.label) if weigh_labels and block.label else 0
    if name in _HEADINGS:
        return name in ("h1", "h2") and (points < 0 or repeats_title(block, title))
    return name in _DOUBTFUL and _reads_as_furniture(block, points)


def comparable(text: str) -> str:
    """The letters and digits of `text`, in one case."""
    return "".join(filter(str.isalnum, text.casefold()))


def repeats_title(heading: Block, title: str) -> bool:
    """Whether `heading` says no more than the page's title, which the document holds already."""
    text = comparable("".join(item for item in heading.items if isinstance(item, str)))
    return bool(text) and text in title and len(text) >= len(title) * 0.4


def _reads_as_furniture(block: Block, points: int) -> bool:
    in_figure = block.parent is not None and block.parent.name == "figure"
    if points < 0 and not in_figure:
        return True
    if block.commas >= 10:
        return False
    chars = block.chars
    density = block.linked / chars if chars else 0.0
    is_list = block.name in ("ul", "ol")
    if not is_list and not in_figure:
        if block.images > 1 and block.paragraphs < block.images * 0.5 and chars > 0 and density > 0.2:
            return True
        if block.list_items - 100 > block.paragraphs:
            return True
        if chars < 25 and block.headings < chars * 0.9 and (block.images == 0 or block.images > 2) and density > 0:
            return True
    if block.inputs > block.paragraphs // 3:
        return True
    if not is_list and points < 25 and density > 0.2:
        return True
    return density > (0.8 if is_list else 0.5)
