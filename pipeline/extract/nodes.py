"""Kept blocks to nodes: texts and image references in page order."""

from __future__ import annotations

from collections import Counter

from pipeline.extract.blocks import Block, Picture, Video
from pipeline.extract.images import reference
from pipeline.extract.main_content import Selection
from schemas.document import ImageReference

Node = str | ImageReference


def nodes(selection: Selection, base: str, counters: Counter[str]) -> list[Node]:
    """The nodes of the selected blocks."""
    found: list[Node] = []
    seen: set[str] = set()
    stack: list[str | Block | Picture | Video] = list(reversed(selection.roots))
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, Picture):
            image = reference(item, base, counters)
            if image is not None and image.url not in seen:
                seen.add(image.url)
                found.append(image)
        elif isinstance(item, Block) and item.number not in selection.dropped:
            stack += reversed(item.items)
    return found
