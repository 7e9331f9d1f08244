"""Which blocks are the page's main content.

1. What is hidden, and what calls itself navigation, advert, comment or frame, is set aside.
2. Every paragraph gives points to the blocks around it, the nearer the more; the block with the most
   points, weighed down by its share of link text, is the root; blocks beside it that look like it,
   and a lead between the heading and it, join it.
3. Inside, from the leaves up, blocks that read like lists of links, forms or adverts are left out.

If that leaves little text, the same again with fewer cuts, and the largest outcome counts. Every
step is linear in the number of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.cleaning import clean, comparable
from m3w.pipeline.extract.lead import find_lead, lead_in_header
from m3w.pipeline.extract.root import choose_roots, give_points
from m3w.pipeline.extract.vocabulary import UNLIKELY_ROLES, is_around, is_prose_around

ENOUGH_CHARACTERS = 500
"""Below this, the selection is tried again with fewer cuts."""

LEAST_MARKED_CHARACTERS = 200
"""Below this, a `main` or `article` is not believed."""

ASIDE = frozenset(("nav", "footer", "aside", "dialog", "menu"))
"""Elements that are never main content."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Main content: `roots` in page order, without the blocks in `dropped` (by number) and what is below them."""

    roots: list[Block]
    dropped: set[int]
    chars: int


@dataclass(frozen=True, slots=True)
class Cuts:
    """What one attempt leaves out."""

    around: bool
    weigh_labels: bool
    clean: bool


ATTEMPTS = (Cuts(True, True, True), Cuts(False, True, True), Cuts(False, False, True), Cuts(False, False, False))


def select(blocks: list[Block], title: str | None) -> Selection:
    """The main content of a page's `blocks`; no roots if it has none."""
    best = select_strictly(blocks, title)
    if best.chars >= ENOUGH_CHARACTERS:
        return best
    for cuts in ATTEMPTS[1:]:
        found = _attempt(blocks, cuts, comparable(title or ""))
        if found.chars > best.chars or not best.roots:
            best = found
        if best.chars >= ENOUGH_CHARACTERS:
            return best
    fallback = _semantic(blocks)
    return fallback if fallback.chars > best.chars * 2 or not best.roots else best


def select_strictly(blocks: list[Block], title: str | None) -> Selection:
    """The outcome of the first attempt alone."""
    return _attempt(blocks, ATTEMPTS[0], comparable(title or ""))


def _semantic(blocks: list[Block]) -> Selection:
    """What is marked up as the main part, else the page without what surrounds it: for lists, galleries, ..."""
    kept, dropped = _set_aside(blocks, True)
    _add_up(kept)
    marked = [block for block in kept if block.name in ("main", "article") or block.attributes.get("role") == "main"]
    root = max(marked, key=lambda block: block.chars, default=blocks[0])
    if root.chars < LEAST_MARKED_CHARACTERS:
        root = blocks[0]
    return Selection([root], dropped, root.chars)


def _attempt(blocks: list[Block], cuts: Cuts, title: str) -> Selection:
    kept, dropped = _set_aside(blocks, cuts.around)
    _add_up(kept)
    scored = give_points(kept, cuts.weigh_labels)
    if not scored:
        return Selection([blocks[0]] if blocks[0].chars else [], dropped, 0)
    roots = choose_roots(blocks, scored, dropped)
    chars = 0
    for root in roots:
        chars += clean(blocks, root, dropped, title, cuts.clean, cuts.weigh_labels)
    leads = find_lead(blocks, roots[0]) or lead_in_header(blocks, roots[0], dropped)
    return Selection(
        leads + roots, dropped - {number for lead in leads for number in range(lead.number, lead.end)}, chars
    )


def _set_aside(blocks: list[Block], around: bool) -> tuple[list[Block], set[int]]:
    """The blocks that are looked at, in order, and the numbers of those set aside with all below them."""
    kept: list[Block] = []
    dropped: set[int] = set()
    number, end = 0, len(blocks)
    while number < end:
        block = blocks[number]
        if around and number and _is_around(blocks, block):
            dropped.add(number)
            number = block.end
        else:
            kept.append(block)
            number += 1
    return kept, dropped


def _is_around(blocks: list[Block], block: Block) -> bool:
    if block.name in ASIDE:
        return True
    in_figure = block.parent is not None and block.parent.name == "figure"
    if block.label and block.name != "article" and not in_figure and is_around(block.label):
        return is_prose_around(block.label) or not _is_prose(blocks, block)
    return bool(block.attributes) and block.attributes.get("role") in UNLIKELY_ROLES


def _is_prose(blocks: list[Block], block: Block) -> bool:
    """Whether a block reads like paragraphs, whatever its label says."""
    inside = blocks[block.number : block.end]
    chars = sum([part.own_chars for part in inside])
    return chars >= ENOUGH_CHARACTERS and sum([part.own_linked for part in inside]) < chars * 0.1


def _add_up(kept: list[Block]) -> None:
    """Each block's totals: its own and those of what lies below."""
    for block in kept:
        block.chars, block.linked, block.score = block.own_chars, block.own_linked, 0.0
    for block in reversed(kept):
        parent = block.parent
        if parent is not None:
            parent.chars += block.chars
            parent.linked += block.linked
