"""The lead: the paragraph that many sites set between the heading and the text, outside the text's block."""

from __future__ import annotations

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.vocabulary import is_beside_text, is_lead

LEAST_CHARACTERS = 80
"""Of a paragraph between the heading and the text that nothing else marks as a lead."""
LEAST_MARKED = 30
"""Of one that its label marks."""
MOST_BLOCKS = 60
"""Between the heading and the text; if there are more, something else stands between them."""


def find_lead(blocks: list[Block], first: Block) -> list[Block]:
    """The blocks between the page's heading and `first`, the first root, that introduce it."""
    number = _after_heading(blocks, first)
    leads: list[Block] = []
    while number is not None and number < first.number:
        block = blocks[number]
        holds_text = block.number < first.number < block.end
        if not holds_text and is_beside_text(block.name, block.label, block.attributes):
            number = block.end
        elif not holds_text and _introduces(block):
            leads.append(block)
            number = block.end
        else:
            number += 1
    return leads


def lead_in_header(blocks: list[Block], root: Block, dropped: set[int]) -> list[Block]:
    """The marked leads in a header that was left out at the beginning of `root`."""
    for number in range(root.number + 1, min(root.end, root.number + MOST_BLOCKS)):
        header = blocks[number]
        if number in dropped and (header.name == "header" or "header" in header.label):
            inside = blocks[number + 1 : header.end]
            return [block for block in inside if is_marked(block) and _introduces(block)]
    return []


def is_marked(block: Block) -> bool:
    """Whether the label of a block, or of what it is in, names a lead."""
    return is_lead(block.label) or (block.parent is not None and is_lead(block.parent.label))


def _after_heading(blocks: list[Block], first: Block) -> int | None:
    """The number of the first block after the nearest `h1` before `first`."""
    for number in range(first.number - 1, max(0, first.number - MOST_BLOCKS), -1):
        if blocks[number].name == "h1":
            return blocks[number].end
    return None


def _introduces(block: Block) -> bool:
    least = LEAST_MARKED if is_marked(block) else LEAST_CHARACTERS
    return block.own_chars >= least and block.own_linked <= block.own_chars * 0.25
