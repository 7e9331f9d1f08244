"""Kept blocks to nodes: texts and image references in page order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.extract.blocks import Block, Picture, Video
from pipeline.extract.images import reference
from pipeline.extract.main_content import Selection
from schemas.document import ImageReference

Node = str | ImageReference
Item = str | Picture | Video


def nodes(selection: Selection, base: str, counters: Counter[str]) -> list[Node]:
    """The nodes of the selected blocks; a picture and its `noscript` twin count once."""
    items = _in_page_order(selection)
    found: list[Node] = []
    from_noscript = False
    shared = _shared(items)
    for item in items:
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, Picture):
            image = reference(item, base, counters, shared)
            if image is None:
                continue
            before = found[-1] if found else None
            if isinstance(before, ImageReference) and (item.in_noscript or from_noscript):
                if _are_twins(before.url, image.url):
                    image.alt = image.alt or before.alt
                    found.pop()
            from_noscript = item.in_noscript
            found.append(image)
    return found


def _in_page_order(selection: Selection) -> list[Item]:
    items: list[Item] = []
    stack: list[str | Block | Picture | Video] = list(reversed(selection.roots))
    while stack:
        item = stack.pop()
        if not isinstance(item, Block):
            items.append(item)
        elif item.number not in selection.dropped:
            stack += reversed(item.items)
    return items


def _shared(items: Iterable[Item]) -> frozenset[str]:
    """The `src` values of more than one picture that has further addresses: placeholders, whatever their name."""
    counts: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Picture) and len(item.attributes) > 1:
            src = (item.attributes.get("src") or "").strip()
            if src and any(name.startswith("data-") for name in item.attributes):
                counts[src] += 1
    return frozenset(src for src, count in counts.items() if count > 1)


def _are_twins(first: str, second: str) -> bool:
    """Whether two addresses name the same file, perhaps in two sizes."""
    return _file(first) == _file(second)


def _file(url: str) -> str:
    return url.split("?", 1)[0].rsplit("/", 1)[-1]
