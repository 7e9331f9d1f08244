"""How one picture is decoded and what is stored of it, decided from its header and the recipe."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Self

from PIL import Image

from m3w.pipeline.images import pixels as raster
from m3w.pipeline.images.decode import MIME_OF_FORMAT, NoImageError
from m3w.pipeline.images.metadata import (
    MAX_SCANS,
    START_OF_SCAN,
    StructureError,
    TooManyScansError,
    has_one_scan,
    without_metadata,
)
from m3w.pipeline.images.resize import resized, target_size
from m3w.pipeline.images.section import Images

ENCODED_PIXELS = 16_000_000
"""A larger picture that has to be encoded whole is first brought down by 2, 4 or 8, so that memory stays bounded; of
CMYK a quarter, since a progressive JPEG of it takes 8 bytes a pixel before the first is decoded."""
LEFT = 1.5
"""Times the wanted sides that a picture which is resized has, at least, once it is decoded small. 2 would cost a fifth
more of all the time that is spent on a picture (docs/decisions/images.md)."""
JPEG_MAX_SIDE = 65_500
"""Of libjpeg."""
PROFILE_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file for the store."""

    content: bytes
    mime: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of one picture."""

    mime: str
    orientation: int
    width: int
    """Pixels, as a viewer shows the picture as fetched."""
    height: int
    kept: bytes | None
    """The bytes to store as they are, without metadata; None if the picture has to be encoded."""
    target: tuple[int, int] | None
    """The size to bring the picture down to, if it is to be resized."""
    factor: int
    """By which its sides are brought down while it is decoded."""
    rest: int
    """By which they are brought down further for the glance."""
    quality: int
    profile: bytes | None
    """The picture's ICC profile, which goes along if the picture's channels are still what it speaks of."""

    @classmethod
    def of(cls, image: Image.Image, content: bytes, settings: Images) -> Self:
        """The plan for an opened picture. Raises `NoImageError` for one made to keep the decoder busy."""
        orientation = raster.orientation_of(image)
        width, height = image.size if orientation < 5 else image.size[::-1]
        target = target_size(width, height, settings.size, settings.pixels)
        form = image.format or ""
        kept = _without_metadata(content, form) if target is None and orientation == 1 else None
        if kept is None and MIME_OF_FORMAT[form] == "image/jpeg":
            _check_scans(content, form)
        glance = raster.glance_factor(width, height)
        at_once = ENCODED_PIXELS // 4 if image.mode == "CMYK" else ENCODED_PIXELS
        factor = glance if kept is not None else min(glance, _encoding_factor(width, height, target, at_once))
        return cls(
            mime=MIME_OF_FORMAT[form],
            orientation=orientation,
            width=width,
            height=height,
            kept=kept,
            target=target,
            factor=factor,
            rest=glance // factor,
            quality=settings.quality,
            profile=None if image.mode == "CMYK" else image.info.get("icc_profile"),
        )

    def stored(self, picture: Image.Image) -> Stored:
        """The file for the store; `picture` is the decoded one, its sides brought down by `factor`."""
        if self.kept is not None:
            return Stored(content=self.kept, mime=self.mime, width=self.width, height=self.height)
        if self.target is not None:
            picture = resized(picture, self.target)
        picture.info = {}  # Pillow would write a comment that it found
        jpeg = picture.mode != "RGBA" and max(picture.size) <= JPEG_MAX_SIDE
        file = io.BytesIO()
        profile = self.profile if self.profile and self.profile[16:20] == PROFILE_SPACES[picture.mode] else None
        if jpeg:
            picture.save(file, "JPEG", quality=self.quality, icc_profile=profile)
        else:
            picture.save(file, "PNG", icc_profile=profile, compress_level=3)  # half of the usual time, 1 % larger
        mime = "image/jpeg" if jpeg else "image/png"
        return Stored(content=file.getvalue(), mime=mime, width=picture.width, height=picture.height)


def _without_metadata(content: bytes, form: str) -> bytes | None:
    """None for a file whose structure cannot be followed: if it decodes, it is encoded again."""
    try:
        return without_metadata(content, form)
    except TooManyScansError as error:
        raise NoImageError("too_many_scans") from error
    except StructureError:
        return None


def _check_scans(content: bytes, form: str) -> None:
    """Raises `NoImageError` for a JPEG of too many; one whose structure cannot be followed may have none to spare."""
    if has_one_scan(content) or content.count(START_OF_SCAN) <= MAX_SCANS:
        return
    try:
        without_metadata(content, form)  # the marker's bytes may stand in metadata, too
    except StructureError as error:
        raise NoImageError("too_many_scans") from error


def _encoding_factor(width: int, height: int, target: tuple[int, int] | None, max_pixels: int) -> int:
    """The largest that leaves `LEFT` times the target's sides; without a target the smallest within `max_pixels`."""
    if target is None:
        return next((f for f in (1, 2, 4) if width * height <= max_pixels * f * f), 8)
    ratio = min(width / target[0], height / target[1])
    return next(f for f in raster.FACTORS if f == 1 or ratio >= LEFT * f)
