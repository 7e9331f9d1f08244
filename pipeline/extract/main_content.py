"""Which blocks are the page's main content.

Paragraphs give points to the blocks around them; the block with most points, weighed down by its
share of link text, is the root; siblings that look like it join it; inside, blocks that look like
navigation, forms or adverts are cut. If little text is left, the same again with fewer cuts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.extract.blocks import Block
from pipeline.extract.vocabulary import UNLIKELY_ROLES, is_around, weight

ENOUGH_CHARACTERS = 500
"""Below this the selection is tried again with fewer cuts."""

_PARAGRAPHS = frozenset(("p", "pre", "td", "blockquote", "h2", "h3", "h4", "h5", "h6", "section"))
_TAG_POINTS = {
    "div": 5,
    "article": 8,
    "main": 8,
    "pre": 3,
    "td": 3,
    "blockquote": 3,
    "address": -3,
    "ol": -3,
    "ul": -3,
    "dl": -3,
    "dd": -3,
    "dt": -3,
    "li": -3,
    "form": -3,
    "h1": -5,
    "h2": -5,
    "h3": -5,
    "h4": -5,
    "h5": -5,
    "h6": -5,
    "th": -5,
}
_NEVER = frozenset(("nav", "footer", "aside", "form", "fieldset", "button", "object", "iframe", "dialog", "menu"))
_SHARE = re.compile(r"share|sharedaddy|addtoany|social")


@dataclass(frozen=True, slots=True)
class Cuts:
    unlikely: bool = True
    weights: bool = True
    conditional: bool = True


def select(blocks: list[Block]) -> list[Block]:
    """The blocks whose content is the main content, in page order; `hidden` is set on what to leave out inside them."""
    best: list[Block] = []
    best_chars = -1
    dropped_best: set[int] = set()
    for cuts in (Cuts(), Cuts(unlikely=False), Cuts(unlikely=False, weights=False), Cuts(False, False, False)):
        roots, dropped = _attempt(blocks, cuts)
        chars = sum(_kept_chars(root, dropped) for root in roots)
        if chars > best_chars:
            best, best_chars, dropped_best = roots, chars, dropped
        if chars >= ENOUGH_CHARACTERS:
            break
    for number in dropped_best:
        blocks[number].hidden = True
    return best


def _attempt(blocks: list[Block], cuts: Cuts) -> tuple[list[Block], set[int]]:
    size = len(blocks)
    dropped: set[int] = set()
    for b in blocks:
        if (b.parent is not None and b.parent.number in dropped) or b.hidden or (cuts.unlikely and _unlikely(b)):
            dropped.add(b.number)
    chars, link_chars, commas = [0] * size, [0] * size, [0] * size
    images, paragraphs, items = [0] * size, [0] * size, [0] * size
    score: dict[int, float] = {}
    for b in reversed(blocks):
        n = b.number
        if n in dropped:
            continue
        chars[n] += b.chars
        link_chars[n] += b.link_chars
        commas[n] += b.commas
        images[n] += b.images
        if b.parent is not None:
            p = b.parent.number
            chars[p] += chars[n]
            link_chars[p] += link_chars[n]
            commas[p] += commas[n]
            images[p] += images[n]
            paragraphs[p] += paragraphs[n] + (b.name == "p" and b.chars > 0)
            items[p] += items[n] + (b.name == "li")
    for b in blocks:
        if b.number in dropped or b.chars < 25:
            continue
        inner = any(isinstance(item, Block) for item in b.items)
        if b.name in _PARAGRAPHS or (b.name in ("div", "article", "main") and not inner):
            start = b.parent
        elif b.name in ("div", "article", "main"):
            start = b
        else:
            continue
        points = 1 + b.commas + min(b.chars // 100, 3)
        level = 0
        while start is not None and level < 5:
            if start.number not in score:
                score[start.number] = _TAG_POINTS.get(start.name, 0) + (weight(start.label) if cuts.weights else 0)
            score[start.number] += points / (1 if level == 0 else 2 if level == 1 else level * 3)
            start = start.parent
            level += 1
    if not score:
        return [blocks[0]] if chars[0] else [], dropped
    final = {n: s * (1 - link_chars[n] / chars[n] if chars[n] else 1) for n, s in score.items()}
    order = sorted(final, key=lambda n: (-final[n], n))
    top = blocks[order[0]]
    top = _common(blocks, order, final, top)
    last, threshold = final.get(top.number, 0), final.get(top.number, 0) / 3
    parent = top.parent
    while parent is not None and parent.number:
        if parent.number in final:
            if final[parent.number] < threshold:
                break
            if final[parent.number] > last:
                top = parent
                break
            last = final[parent.number]
        parent = parent.parent
    while top.parent is not None and top.parent.number and sum(isinstance(i, Block) for i in top.parent.items) == 1:
        top = top.parent
    roots = [top]
    if top.parent is not None:
        need = max(10.0, final.get(top.number, 0) * 0.2)
        roots = []
        for b in (item for item in top.parent.items if isinstance(item, Block)):
            if b.number in dropped:
                continue
            n = b.number
            density = link_chars[n] / chars[n] if chars[n] else 0
            bonus = final.get(top.number, 0) * 0.2 if b.label and b.label == top.label else 0
            if (
                b is top
                or (n in final and final[n] + bonus >= need)
                or (
                    b.name == "p"
                    and (
                        (chars[n] > 80 and density < 0.25)
                        or (0 < chars[n] <= 80 and density == 0 and re.search(r"\.( |$)", _text(b)))
                    )
                )
            ):
                roots.append(b)
    for root in roots:
        _clean(root, dropped, cuts, chars, link_chars, commas, images, paragraphs, items)
    return roots, dropped


def _common(blocks: list[Block], order: list[int], final: dict[int, float], top: Block) -> Block:
    rivals = [set(_ancestors(blocks[n])) for n in order[1:5] if final[n] >= final[top.number] * 0.75]
    if len(rivals) >= 3:
        for number in _ancestors(top):
            if number and sum(number in r for r in rivals) >= 3:
                return blocks[number]
    return top


def _ancestors(b: Block) -> Iterator[int]:
    parent = b.parent
    while parent is not None:
        yield parent.number
        parent = parent.parent


def _text(b: Block) -> str:
    return " ".join(item for item in b.items if isinstance(item, str))


def _unlikely(b: Block) -> bool:
    if b.attributes and b.attributes.get("role") in UNLIKELY_ROLES:
        return True
    return bool(b.label) and is_around(b.label)


def _clean(root: Block, dropped: set[int], cuts: Cuts, chars, link_chars, commas, images, paragraphs, items) -> None:  # type: ignore[no-untyped-def]
    stack = [root]
    while stack:
        b = stack.pop()
        for child in b.items:
            if not isinstance(child, Block) or child.number in dropped:
                continue
            n = child.number
            if (
                child.name in _NEVER
                or (_SHARE.search(child.label) and chars[n] < 500)
                or (
                    cuts.conditional
                    and child.name in ("table", "ul", "div", "ol")
                    and _odd(child, chars[n], link_chars[n], commas[n], images[n], paragraphs[n], items[n])
                )
                or (cuts.conditional and child.name in ("h1", "h2") and weight(child.label) < 0)
            ):
                dropped.add(n)
            else:
                stack.append(child)


def _odd(b: Block, chars: int, link_chars: int, commas: int, images: int, paragraphs: int, items: int) -> bool:
    w = weight(b.label)
    if w < 0:
        return True
    if commas >= 10:
        return False
    density = link_chars / chars if chars else 0
    is_list = b.name in ("ul", "ol")
    if images > 1 and paragraphs / images < 0.5 and not is_list and chars > 0:
        return density > 0.2
    if not is_list and items - 100 > paragraphs:
        return True
    if not is_list and chars < 25 and (images == 0 or images > 2) and density > 0:
        return True
    if w < 25 and density > 0.2:
        return True
    return density > 0.5


def _kept_chars(root: Block, dropped: set[int]) -> int:
    total, stack = 0, [root]
    while stack:
        b = stack.pop()
        total += b.chars
        stack += [item for item in b.items if isinstance(item, Block) and item.number not in dropped]
    return total
