"""The sections of a recipe that are a few fields each; the larger ones have files of their own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.recipe.section import Section


class Extract(Section):
    """HTML to documents."""

    content: Literal["main", "full"] = "main"
    videos: bool = False
    """Keep videos as nodes of their own: image references of status `video`, which nothing fetches."""
    max_page_mib: int = Field(10, ge=1)
    """A larger page is dropped as `page_too_large`."""
    page_seconds: float = Field(30.0, gt=0)
    """Of processor time; a page that takes longer is dropped as `parser_timeout`. Real ones take up to a second."""
    page_memory_mib: int = Field(1024, ge=64)
    """Beyond what the process has; a page that takes more is dropped as `parser_memory`."""


class Dataset(Section):
    """Documents and images to shards."""

    name: str = "m3w"
    shard_mib: int = Field(512, ge=1)
    images_per_sequence: int = Field(5, ge=1, le=5)
    """N of the paper."""
    validation_fraction: float = Field(0.05, ge=0, lt=1)
    """Share of hosts whose pages go to `validation`, by a hash of the host's name."""
