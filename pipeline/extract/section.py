"""The recipe's section `extract`: how documents are extracted from HTML."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from m3w.recipes.class_path import ClassPath
from m3w.recipes.section import Section


class Extract(Section):
    """How documents are extracted from HTML."""

    extractor: ClassPath | None = None
    """`package.module.Class` of another extractor, see `m3w.pipeline.extract.extractors`; null: the built-in one."""
    content: Literal["main", "full"] = "main"
    """`main`: the main content of a page. `full`: all of its content."""
    videos: bool = False
    """Keep videos as nodes: image references with status `video`, which are not fetched."""
    max_page_mib: int = Field(10, ge=1)
    """A larger page is dropped as `page_too_large`."""
    page_seconds: float = Field(30.0, gt=0)
    """Processor time per page; a page that takes longer is dropped as `parser_timeout`. Real pages take up to 1 s."""
    page_memory_mib: int = Field(1024, ge=64)
    """Memory per page, in addition to what the process uses; a page that needs more is dropped as `parser_memory`."""
