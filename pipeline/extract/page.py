"""One page to one document: decode, events, blocks, main content, nodes."""

from __future__ import annotations

from collections import Counter
from typing import Literal
from urllib.parse import urljoin

from pipeline.extract import main_content
from pipeline.extract.blocks import Block, Page, Picture, build
from pipeline.extract.decode import decode
from pipeline.extract.events import lexbor_events
from pipeline.extract.images import reference
from schemas.document import ImageReference, InterleavedDocument

Content = Literal["main", "full"]


def extract_page(
    html: bytes,
    url: str,
    content_type: str | None = None,
    *,
    content: Content = "main",
    videos: bool = False,
    counters: Counter[str] | None = None,
) -> InterleavedDocument | str:
    """The document of a page, or the reason why it has none: `empty_page`, `not_html`, `no_main_content`.

    `counters` gets one count for each thing left out under its reason (`url_javascript`, ...).
    """
    counters = Counter() if counters is None else counters
    if not html.strip():
        return "empty_page"
    text, _ = decode(html, content_type)
    page = build(lexbor_events(text))
    base = urljoin(url, page.base) if page.base else url
    roots = main_content.select(page.blocks) if content == "main" else [page.blocks[0]]
    texts: list[str | None] = []
    images: list[ImageReference | None] = []
    seen: set[str] = set()
    for root in roots:
        _nodes(root, base, counters, texts, images, seen)
    if not texts:
        return "no_main_content"
    return InterleavedDocument(url=url, title=_title(page), texts=texts, images=images)


def extract_document(
    html: bytes,
    url: str,
    content_type: str | None = None,
    *,
    content: Content = "main",
    videos: bool = False,
    counters: Counter[str] | None = None,
) -> InterleavedDocument | None:
    """The document of a page; None if it has no main content. Never raises on what the page holds."""
    found = extract_page(html, url, content_type, content=content, videos=videos, counters=counters)
    return None if isinstance(found, str) else found


def _title(page: Page) -> str | None:
    return " ".join((page.title or "").split()) or None


def _nodes(
    root: Block,
    base: str,
    counters: Counter[str],
    texts: list[str | None],
    images: list[ImageReference | None],
    seen: set[str],
) -> None:
    stack: list[str | Block | Picture] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            texts.append(item)
            images.append(None)
        elif isinstance(item, Picture):
            image = reference(item, base, counters)
            if image is not None and image.url not in seen:
                seen.add(image.url)
                texts.append(None)
                images.append(image)
        elif not item.hidden:
            stack += reversed(item.items)
