"""What a recipe says on how images are stored."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.list_file import NamedFile
from pipeline.recipe.section import Section


class Images(Section):
    """Fetched bytes to stored bytes. A picture is never enlarged."""

    size: Literal["keep", "longest_side", "shortest_side"] = "keep"
    """`keep`: as fetched; else the side that is brought down to `pixels`."""
    pixels: int | None = Field(None, ge=16)
    quality: int = Field(95, ge=1, le=100)
    """JPEG quality of what is encoded again: pictures that are resized or turned."""
    forbidden: list[NamedFile] = []
    """Lists of images that must not be stored: a SHA-256 or a perceptual hash (64 or 16 hex digits) a line."""
    forbidden_distance: int = Field(0, ge=0, le=16)
    """Bits in which a picture's perceptual hash may differ from one on the lists and still be taken for it."""

    @model_validator(mode="after")
    def _size_and_pixels(self) -> Self:
        if self.size != "keep" and self.pixels is None:
            raise ValueError(f"images.size is {self.size} without a number of pixels; set images.pixels, such as 512")
        if self.size == "keep" and self.pixels is not None:
            raise ValueError(
                f"images.pixels is {self.pixels} while images.size keeps every size, so it would do nothing; "
                "set images.size to longest_side or shortest_side, or leave pixels out"
            )
        return self
