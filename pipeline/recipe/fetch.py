"""What a recipe says on how image references become images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.recipe.section import Section


class Fetch(Section):
    """Image references to images."""

    source: Literal["archive"] = "archive"
    """`archive`: the image responses in the crawl's own WARC files."""
    urls_per_part: int = Field(20_000, ge=1)
    """About how many image URLs one part fetches; a host's URLs are always in one part."""
    max_image_mib: int = Field(20, ge=1)
    max_megapixels: int = Field(64, ge=1)
    """Checked before an image is decoded."""
