"""A page to a document: decode, events, blocks, main content, nodes, metadata."""

from __future__ import annotations

import codecs
from collections import Counter
from typing import Literal
from urllib.parse import urljoin

from m3w.pipeline.extract.blocks import LeftOut, Page
from m3w.pipeline.extract.building import PageBuilder
from m3w.pipeline.extract.decode import decode, is_html
from m3w.pipeline.extract.events import bounded, send_events
from m3w.pipeline.extract.main_content import ASIDE, ENOUGH_CHARACTERS, Selection, select, select_strictly
from m3w.pipeline.extract.metadata import describe
from m3w.pipeline.extract.nodes import nodes
from m3w.schemas.document import InterleavedDocument

Content = Literal["main", "full"]
LARGEST_PAGE = 32 * 2**20
"""Bytes; Common Crawl truncates at 1 to 5 MiB, browsers' limits are far higher."""

EMPTY_PAGE = "empty_page"
NOT_HTML = "not_html"
TOO_LARGE = "page_too_large"
NO_MAIN_CONTENT = "no_main_content"
REASONS = (EMPTY_PAGE, NOT_HTML, TOO_LARGE, NO_MAIN_CONTENT)
"""Why a page has no document."""


def extract_page(
    html: bytes,
    url: str,
    content_type: str | None = None,
    *,
    content: Content = "main",
    videos: bool = False,
    left_out: LeftOut | None = None,
) -> InterleavedDocument | str:
    """The document of the page `html` at `url`, or one of `REASONS` why it has none. Never raises because of a page.

    `content_type` is the HTTP header's value. `content="full"` keeps the whole body; `videos` adds video references
    (see `images.py`). `left_out` collects what is left out.
    """
    left_out = LeftOut() if left_out is None else left_out
    if not html or html.isspace():
        return EMPTY_PAGE
    if len(html) > LARGEST_PAGE:
        return TOO_LARGE
    if not is_html(html, content_type):
        return NOT_HTML
    decoded, codec = decode(html, content_type)
    text = bounded(decoded, html, left_out.page)
    markup = html if codec == "utf-8" and text is decoded and _is_clean(html, text) else text
    if content == "main":
        page, selection = _main(markup, _is_licensed(html), left_out.page)
    else:
        page, selection = _full(markup, left_out.page)
    base = _base(url, page)
    content_nodes = nodes(page.blocks, selection, base, videos, left_out)
    page.release()
    if not content_nodes:
        return NO_MAIN_CONTENT
    document = InterleavedDocument(
        url=url,
        texts=[node if isinstance(node, str) else None for node in content_nodes],
        images=[None if isinstance(node, str) else node for node in content_nodes],
    )
    describe(document, page, base, text)
    return document


def extract_document(
    html: bytes | str,
    url: str,
    content_type: str | None = None,
    *,
    content: Content = "main",
    videos: bool = False,
    left_out: LeftOut | None = None,
) -> InterleavedDocument | None:
    """The document of a page; None if it has none. `extract_page` gives the reason.

    Text is not decoded: whatever encoding it or `content_type` declares is ignored.
    """
    if isinstance(html, str):
        html = codecs.BOM_UTF8 + html.encode("utf-8", "replace")
    document = extract_page(html, url, content_type, content=content, videos=videos, left_out=left_out)
    return None if isinstance(document, str) else document


def _is_clean(html: bytes, text: str) -> bool:
    """Whether UTF-8 bytes may be parsed undecoded, which saves a fifth of the parser's time on pages beyond ASCII."""
    return not html.startswith(b"\xef\xbb\xbf") and b"\0" not in html and "\ufffd" not in text


def _is_licensed(html: bytes) -> bool:
    """Whether an element may have `rel=license`; a cheap search in the bytes."""
    offset = html.find(b"license")
    while offset >= 0:
        if html.rfind(b"rel=", max(0, offset - 60), offset) >= 0:
            return True
        offset = html.find(b"license", offset + 7)
    return False


def _main(text: str | bytes, licensed: bool, counters: Counter[str]) -> tuple[Page, Selection]:
    """The page and its main content, first built without blocks that labels mark as boilerplate: a third of the work.

    If that leaves little text, the page is built again with all blocks. A licence is often in the footer, so a page
    that may have one is built with all blocks at once.
    """
    if not licensed:
        builder = PageBuilder(ASIDE, brief=True)
        send_events(text, builder, counters)
        page = builder.finish()
        selection = select_strictly(page.blocks, page.title)
        if selection.chars >= ENOUGH_CHARACTERS:
            return page, selection
        if not builder.shortened:
            return page, select(page.blocks, page.title)
        page.release()
    builder = PageBuilder()
    send_events(text, builder, counters)
    page = builder.finish()
    return page, select(page.blocks, page.title)


def _full(text: str | bytes, counters: Counter[str]) -> tuple[Page, Selection]:
    builder = PageBuilder()
    send_events(text, builder, counters)
    page = builder.finish()
    return page, Selection([page.blocks[0]], set(), 0)


def _base(url: str, page: Page) -> str:
    try:
        return urljoin(url, page.base.strip()) if page.base else url
    except ValueError:  # ignore a malformed base
        return url
