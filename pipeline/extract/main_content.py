"""Selects the main content of a page among its blocks.

1. What is hidden, and what names itself navigation, advert, comment or frame, is set aside.
2. Every paragraph gives points to the blocks around it, the nearer the more. The block with the most points, reduced by
   its share of link text, is the root (`root.py`). Similar blocks beside it and a lead between the heading and the root
   are added.
3. Inside it, from the leaves up, blocks that read like lists of links, forms or adverts are left out (`clean`).

If that leaves little text, it is repeated with fewer cuts, and the largest result is used. Every step is linear in the
number of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.root import choose_roots, find_lead, give_points, lead_in_header
from m3w.pipeline.extract.vocabulary import (
    UNLIKELY_ROLES,
    is_boilerplate,
    is_boilerplate_prose,
    is_sharing,
    is_signature,
    links_elsewhere,
    weight,
)

ENOUGH_CHARACTERS = 500
"""With fewer, the selection is repeated with fewer cuts."""

LEAST_MARKED_CHARACTERS = 200
"""With fewer, a `main` or `article` is ignored."""

ASIDE = frozenset(("nav", "footer", "aside", "dialog", "menu"))
"""Elements that are never main content."""

LONGEST_CAPTION = 500
"""Characters."""

LONGEST_SIGNATURE = 120
"""Characters of a block whose label names an author, a date or the like."""

_NEVER = frozenset(("object", "dialog", "menu", "nav", "footer", "aside"))
_DOUBTFUL = frozenset(("table", "ul", "ol", "div", "form", "fieldset", "section", "dl"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))


@dataclass(frozen=True, slots=True)
class Selection:
    """Main content: the blocks `roots` in page order, without those in `dropped` (by number) and their descendants."""

    roots: list[Block]
    dropped: set[int]
    chars: int


@dataclass(frozen=True, slots=True)
class Cuts:
    """What one attempt leaves out."""

    boilerplate: bool
    """Blocks that call themselves boilerplate."""
    weigh_labels: bool
    clean: bool


ATTEMPTS = (Cuts(True, True, True), Cuts(False, True, True), Cuts(False, False, True), Cuts(False, False, False))


def select(blocks: list[Block], title: str | None) -> Selection:
    """The main content of a page's `blocks`; without roots if there is none."""
    best = select_strictly(blocks, title)
    if best.chars >= ENOUGH_CHARACTERS:
        return best
    for cuts in ATTEMPTS[1:]:
        selection = _attempt(blocks, cuts, comparable(title or ""))
        if selection.chars > best.chars or not best.roots:
            best = selection
        if best.chars >= ENOUGH_CHARACTERS:
            return best
    fallback = _semantic(blocks)
    return fallback if fallback.chars > best.chars * 2 or not best.roots else best


def select_strictly(blocks: list[Block], title: str | None) -> Selection:
    """The result of the first attempt alone."""
    return _attempt(blocks, ATTEMPTS[0], comparable(title or ""))


def _semantic(blocks: list[Block]) -> Selection:
    """What is marked up as the main part, else the page without boilerplate: for lists, galleries and the like."""
    kept, dropped = _set_aside(blocks, True)
    _add_up(kept)
    marked = [block for block in kept if block.name in ("main", "article") or block.attributes.get("role") == "main"]
    root = max(marked, key=lambda block: block.chars, default=blocks[0])
    if root.chars < LEAST_MARKED_CHARACTERS:
        root = blocks[0]
    return Selection([root], dropped, root.chars)


def _attempt(blocks: list[Block], cuts: Cuts, title: str) -> Selection:
    kept, dropped = _set_aside(blocks, cuts.boilerplate)
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


def _set_aside(blocks: list[Block], boilerplate: bool) -> tuple[list[Block], set[int]]:
    """The blocks to consider, in order, and the numbers of those set aside with their descendants."""
    kept: list[Block] = []
    dropped: set[int] = set()
    number, end = 0, len(blocks)
    while number < end:
        block = blocks[number]
        if boilerplate and number and _is_boilerplate(blocks, block):
            dropped.add(number)
            number = block.end
        else:
            kept.append(block)
            number += 1
    return kept, dropped


def _is_boilerplate(blocks: list[Block], block: Block) -> bool:
    if block.name in ASIDE:
        return True
    in_figure = block.parent is not None and block.parent.name == "figure"
    if block.label and block.name != "article" and not in_figure and is_boilerplate(block.label):
        return is_boilerplate_prose(block.label) or not _is_prose(blocks, block)
    return bool(block.attributes) and block.attributes.get("role") in UNLIKELY_ROLES


def _is_prose(blocks: list[Block], block: Block) -> bool:
    """Whether a block reads like paragraphs, whatever its label."""
    inside = blocks[block.number : block.end]
    chars = sum([part.own_chars for part in inside])
    return chars >= ENOUGH_CHARACTERS and sum([part.own_linked for part in inside]) < chars * 0.1


def _add_up(kept: list[Block]) -> None:
    """Set each block's totals: its own counts and those of its descendants."""
    for block in kept:
        block.chars, block.linked, block.score = block.own_chars, block.own_linked, 0.0
    for block in reversed(kept):
        parent = block.parent
        if parent is not None:
            parent.chars += block.chars
            parent.linked += block.linked


def clean(blocks: list[Block], root: Block, dropped: set[int], title: str, doubtful: bool, weigh_labels: bool) -> int:
    """Add to `dropped` what does not belong in `root`, from the leaves up; returns the characters left.

    `title` is the page's, as returned by `comparable`.
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
        block.captions = block.is_caption
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
    parent.captions += block.captions
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
    if block.own_linked and links_elsewhere(block):
        return True
    points = weight(block.label) if weigh_labels and block.label else 0
    if name in _HEADINGS:
        return name in ("h1", "h2") and (points < 0 or repeats_title(block, title))
    return name in _DOUBTFUL and _reads_as_boilerplate(block, points)


def comparable(text: str) -> str:
    """The letters and digits of `text`, case-folded."""
    return "".join(filter(str.isalnum, text.casefold()))


def repeats_title(heading: Block, title: str) -> bool:
    """Whether `heading` repeats the page's title, which the document has already."""
    text = comparable("".join(item for item in heading.items if isinstance(item, str)))
    return bool(text) and text in title and len(text) >= len(title) * 0.4


def _is_captioned(block: Block) -> bool:
    """Whether a block is a caption, or pictures with a caption each and little else: no share of links speaks of it."""
    if block.is_caption and not block.images:
        return 0 < block.chars <= LONGEST_CAPTION
    return bool(block.captions and block.images) and block.chars <= LONGEST_CAPTION * block.captions


def _reads_as_boilerplate(block: Block, points: int) -> bool:
    in_figure = block.parent is not None and block.parent.name == "figure"
    if points < 0 and not in_figure:
        return True
    if _is_captioned(block):
        return False
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
