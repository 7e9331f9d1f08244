"""One page to one document: decode, events, blocks, main content, nodes."""

from __future__ import annotations

from collections import Counter
from typing import Literal
from urllib.parse import urljoin

from pipeline.extract.blocks import Page
from pipeline.extract.building import PageBuilder
from pipeline.extract.decode import decode
from pipeline.extract.events import send_lexbor
from pipeline.extract.main_content import Selection, select
from pipeline.extract.nodes import nodes
from schemas.document import InterleavedDocument

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
    builder = PageBuilder()
    send_lexbor(text, builder)
    page = builder.finish()
    base = urljoin(url, page.base) if page.base else url
    if content == "main":
        selection = select(page.blocks, page.title)
    else:
        selection = Selection([page.blocks[0]], {block.number for block in page.blocks if block.cut}, 0)
    found = nodes(selection, base, counters)
    if not found:
        return "no_main_content"
    return InterleavedDocument(
        url=url,
        title=_title(page),
        texts=[node if isinstance(node, str) else None for node in found],
        images=[None if isinstance(node, str) else node for node in found],
    )


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
