"""The roots of the main content: points for paragraphs, the best block, similar blocks beside it, and the lead.

The scheme (points by tag, length and commas, halved up the tree, times the share of text outside links) is that of
Readability (Arc90, 2009; maintained by Mozilla), with its published constants where they proved right here.

The lead is the paragraph that many sites put between the heading and the text, outside the text's block.
"""

from __future__ import annotations

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.vocabulary import is_beside_text, is_lead, weight

LEAST_PARAGRAPH = 25
"""Characters; shorter texts give no points: most are labels, not sentences."""
REACH = 5
"""Levels above a paragraph that get points."""

HIGHEST = 8
"""Levels above the root that are searched for similar sections."""
LEAST_CHARACTERS = 80
"""Characters of a lead that is not marked as one."""
LEAST_MARKED = 30
"""Characters of a lead that its label marks."""
MOST_BLOCKS = 60
"""Blocks between the heading and the text; with more, there is something else between them."""
_ENDS = frozenset(("article", "main", "body"))

_TEXT_BLOCKS = frozenset(("p", "pre", "td", "blockquote", "h2", "h3", "h4", "h5", "h6", "section", "dd"))
_BOXES = frozenset(("div", "article", "main", "center"))
_TAG_POINTS = {"div": 5, "article": 10, "main": 10, "pre": 3, "td": 3, "blockquote": 3}
_TAG_POINTS |= dict.fromkeys(("address", "ol", "ul", "dl", "dd", "dt", "li", "form"), -3)
_TAG_POINTS |= dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6", "th"), -5)


def give_points(kept: list[Block], weigh_labels: bool) -> list[Block]:
    """Add points for each paragraph to the `score` of the blocks around it; returns the blocks with points."""
    scored: list[Block] = []
    for block in kept:
        chars = block.own_chars
        if chars < LEAST_PARAGRAPH:
            continue
        name = block.name
        if name in _TEXT_BLOCKS:
            above = block.parent
        elif name in _BOXES:
            above = block if any(type(item) is Block for item in block.items) else block.parent
        else:
            continue
        points = 1 + block.own_commas + min(chars // 100, 3)
        level = 0
        while above is not None and level < REACH:
            if not above.score:
                above.score = _TAG_POINTS.get(above.name, 0) + (weight(above.label) if weigh_labels else 0) + 0.01
                scored.append(above)
            above.score += points if level == 0 else points / 2 if level == 1 else points / (level * 3)
            above = above.parent
            level += 1
    for block in scored:
        if block.chars:
            block.score *= 1 - min(1.0, block.linked / block.chars)
    return scored


def choose_roots(blocks: list[Block], scored: list[Block], dropped: set[int]) -> list[Block]:
    """The block with the most points, or the block that contains it and its rivals, and what belongs to it."""
    scored.sort(key=lambda block: (-block.score, block.number))
    top = _widen(_around_rivals(blocks, scored))
    return _joined(top, dropped)


def _around_rivals(blocks: list[Block], scored: list[Block]) -> Block:
    """The best block, or the nearest block that contains it and three others that are nearly as good."""
    top = scored[0]
    rivals = [block for block in scored[1:6] if block.score >= top.score * 0.75]
    if len(rivals) >= 3:
        above = top.parent
        while above is not None and above.number:
            if sum(above.number < rival.number < above.end for rival in rivals) >= 3:
                return above
            above = above.parent
    return top


def _widen(top: Block) -> Block:
    """`top`, or an ancestor with more points, or one that contains nothing else."""
    last, least = top.score, top.score / 3
    above = top.parent
    while above is not None and above.number:
        if above.score:
            if above.score < least:
                break
            if above.score > last:
                top = above
                break
            last = above.score
        above = above.parent
    while top.parent is not None and top.parent.number and len(top.parent.blocks()) == 1:
        top = top.parent
    return top


def _joined(top: Block, dropped: set[int]) -> list[Block]:
    """`top` with the blocks that belong to it: its siblings, and siblings of its ancestors."""
    if top.parent is None:
        return [top]
    roots = _beside(top, dropped)
    child, level = top.parent, 1
    while child.parent is not None and child.number and child.name not in _ENDS and level < HIGHEST:
        for block in child.parent.blocks():
            if block is not child and block.number not in dropped and _is_similar_section(block, child):
                roots.append(block)
        child, level = child.parent, level + 1
    return sorted(roots, key=lambda block: block.number)


def _beside(top: Block, dropped: set[int]) -> list[Block]:
    """`top` and its siblings with similar scores, with what is between two of them."""
    assert top.parent is not None
    need = max(10.0, top.score * 0.2)
    siblings = [block for block in top.parent.blocks() if block.number not in dropped]
    good = []
    for index, block in enumerate(siblings):
        same = top.score * 0.2 if block.label and block.label == top.label else 0.0
        if (
            block is top
            or (block.score and block.score + same >= need)
            or _is_loose_paragraph(block)
            or _is_similar_section(block, top)
        ):
            good.append(index)
    chosen = set(good)
    return [
        block
        for index, block in enumerate(siblings[: good[-1] + 1])
        if index in chosen or (index > good[0] and block.linked <= block.chars * 0.25 and weight(block.label) >= 0)
    ]


def _is_similar_section(block: Block, path: Block) -> bool:
    """Whether a block beside the path to the main content is a section like it."""
    if block.chars - block.linked < 80 or block.linked > block.chars * 0.25:
        return False
    kind = _kind(path.label)
    return bool(kind) and block.name == path.name and _kind(block.label) == kind


def _kind(label: str) -> str:
    return " ".join(word for word in label.split() if not any(c.isdigit() for c in word))


def _is_loose_paragraph(block: Block) -> bool:
    if block.name != "p" or not block.chars:
        return False
    if block.chars > 80:
        return block.linked < block.chars * 0.25
    return not block.linked and any(type(item) is str and item.rstrip().endswith(".") for item in block.items)


def find_lead(blocks: list[Block], first: Block) -> list[Block]:
    """The leads between the page's heading and `first`, the first root."""
    number = _after_heading(blocks, first)
    leads: list[Block] = []
    while number is not None and number < first.number:
        block = blocks[number]
        contains_text = block.number < first.number < block.end
        if not contains_text and is_beside_text(block.name, block.label, block.attributes):
            number = block.end
        elif not contains_text and _introduces(block):
            leads.append(block)
            number = block.end
        else:
            number += 1
    return leads


def lead_in_header(blocks: list[Block], root: Block, dropped: set[int]) -> list[Block]:
    """The marked leads in a header that was dropped at the beginning of `root`."""
    for number in range(root.number + 1, min(root.end, root.number + MOST_BLOCKS)):
        header = blocks[number]
        if number in dropped and (header.name == "header" or "header" in header.label):
            inside = blocks[number + 1 : header.end]
            return [block for block in inside if is_marked(block) and _introduces(block)]
    return []


def is_marked(block: Block) -> bool:
    """Whether the label of a block or its parent names a lead."""
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
