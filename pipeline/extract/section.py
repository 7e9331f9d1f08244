"""The recipe's section `extract`: how HTML becomes documents."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from m3w.recipes.class_path import ClassPath
from m3w.recipes.section import Section


class Extract(Section):
    """HTML to documents."""

    extractor: ClassPath | None = None
    """`package.module.Class` of another extractor, see `m3w.pipeline.extract.extractors`; null is our own."""
    content: Literal["main", "full"] = "main"
    videos: bool = False
    """Keep videos as nodes of their own: image references of status `video`, which nothing fetches."""
    max_page_mib: int = Field(10, ge=1)
    """A larger page is dropped as `page_too_large`."""
    page_seconds: float = Field(30.0, gt=0)
    """Of processor time; a page that takes longer is dropped as `parser_timeout`. Real ones take up to a second."""
    page_memory_mib: int = Field(1024, ge=64)
    """Beyond what the process has; a page that takes more is dropped as `parser_memory`."""
