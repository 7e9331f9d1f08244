"""The lead: the paragraph that many sites set between the heading and the text, outside the text's block."""

from __future__ import annotations

from pipeline.extract.blocks import Block
from pipeline.extract.vocabulary import is_beside_text, is_lead

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


def _after_heading(blocks: list[Block], first: Block) -> int | None:
    """The number of the first block after the nearest `h1` before `first`."""
    for number in range(first.number - 1, max(0, first.number - MOST_BLOCKS), -1):
        if blocks[number].name == "h1":
            return blocks[number].end
    return None


def _introduces(block: Block) -> bool:
    least = LEAST_MARKED if is_lead(block.label) or (block.parent and is_lead(block.parent.label)) else LEAST_CHARACTERS
    return block.own_chars >= least and block.own_linked <= block.own_chars * 0.25
