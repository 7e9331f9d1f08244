"""The contract of an extractor: a page's HTML in, its document or the reason why there is none out.

The recipe names one by `extract.extractor`; without it, pages are extracted by our own (`OwnExtractor`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

from m3w.pipeline.extract.blocks import LeftOut
from m3w.pipeline.extract.page import Content, extract_page
from m3w.recipes.class_path import check_class_path, load_class_path
from m3w.schemas.document import InterleavedDocument


class Extractor(Protocol):
    """What the recipe's `extract.extractor` must name: such a function, or a class without arguments that acts as one.

    Each process loads it once and calls it page by page.
    """

    def __call__(self, html: bytes, url: str, content_type: str | None) -> InterleavedDocument | str:
        """The document of the page, or the reason why it has none: one word, counted as `pages_dropped.REASON`.

        `html` is the response's body with transfer and content encodings undone, `content_type` the HTTP header's
        value. An exception costs this page, counted as `extractor_error`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnExtractor:
    """`extract_page` as an `Extractor`, with the options of a recipe."""

    content: Content = "main"
    videos: bool = False
    left_out: LeftOut | None = None
    """Collects what is left out of the page, so make one extractor for each page."""

    def __call__(self, html: bytes, url: str, content_type: str | None) -> InterleavedDocument | str:
        return extract_page(html, url, content_type, content=self.content, videos=self.videos, left_out=self.left_out)


@functools.cache
def load_extractor(class_path: str) -> Extractor:
    """The extractor at `class_path`; the same one for each call in a process. Raises `InputError` if there is none."""
    check_extractor(class_path)
    extractor: Extractor = load_class_path(class_path)
    return extractor


def check_extractor(class_path: str) -> None:
    """Check, without importing it, that the extractor's module exists. Raises `InputError`."""
    check_class_path(
        class_path,
        "extract.extractor",
        "no page would be extracted",
        "m3w.pipeline.extract.extractors.OwnExtractor",
    )
