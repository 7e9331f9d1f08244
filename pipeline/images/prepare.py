"""Fetched bytes to the image that is stored: the one function that a fetcher calls.

A picture that is neither resized nor turned keeps its bytes, except for its metadata, and is decoded once, small, to be
measured. Any other is decoded at `MIN_DECODED_RATIO` times the wanted size or more, brought down by means over areas
(as img2dataset's resizer does) and encoded: JPEG, or PNG where something is transparent. See docs/images.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import io
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any, Self

from PIL import Image

from m3w.pipeline.filters.signals.image import measure
from m3w.pipeline.images import pixels
from m3w.pipeline.images.decode import MIME_OF_FORMAT, NoImageError, opened
from m3w.pipeline.images.hashes import FORBIDDEN, perceptual_hash, read_forbidden
from m3w.pipeline.images.metadata import (
    MAX_SCANS,
    START_OF_SCAN,
    StructureError,
    TooManyScansError,
    has_one_scan,
    without_metadata,
)
from m3w.pipeline.images.section import Images

ENCODED_PIXELS = 16_000_000
"""A larger picture that is encoded without being resized is first brought down by 2, 4 or 8, so that memory stays
bounded. For CMYK a quarter, since a progressive JPEG of it takes 8 bytes per pixel before the first is decoded."""
MIN_DECODED_RATIO = 1.5
"""A picture that is resized is decoded to at least this multiple of the wanted sides. 2 would add a fifth to the time
spent on a picture (docs/decisions/images.md)."""
JPEG_MAX_SIDE = 65_500
"""Of libjpeg."""
PROFILE_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY"}
LARGE_PIXELS = 8_000_000
_large = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image as it is stored, with its columns of the index."""

    content: bytes
    sha256: str
    """64 hex digits, of `content`."""
    mime: str
    width: int
    """Pixels of `content`, as a viewer shows it."""
    height: int
    phash: str
    fetched_sha256: str
    fetched_bytes: int
    fetched_mime: str
    signals: dict[str, float]
    """One number for each name in `m3w.pipeline.filters.signals.IMAGE_SIGNALS`, of the picture as fetched."""

    def row(self) -> dict[str, Any]:
        """The image's columns of `m3w.pipeline.tables.INDEX`: all fields but `content`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "content"}


def prepare(content: bytes, settings: Images, *, max_pixels: int, at_once: int | None = None) -> StoredImage:
    """The image to store for the fetched bytes `content`. Raises `NoImageError` with the status.

    An image on one of the recipe's lists, by the SHA-256 of its fetched or stored bytes or by its perceptual hash, is
    `forbidden`. A picture of more than `at_once` pixels is not decoded: `m3w.pipeline.images.decode.TakesLongError`.
    """
    keep_freed_memory()
    forbidden = read_forbidden(settings.forbidden, settings.forbidden_distance)
    fetched_sha256 = hashlib.sha256(content).hexdigest()
    if forbidden.has_file(fetched_sha256):
        raise NoImageError(FORBIDDEN)
    with opened(content, max_pixels=max_pixels, at_once=at_once) as image, _one_large_at_a_time(image):
        plan = Plan.of(image, content, settings)
        picture = pixels.shown(image, plan.factor, plan.orientation)
        thumbnail = pixels.on_white(picture if plan.thumbnail_factor == 1 else picture.reduce(plan.thumbnail_factor))
        phash = perceptual_hash(thumbnail)
        if forbidden.has_picture(phash):
            raise NoImageError(FORBIDDEN)
        signals = measure(thumbnail, plan.width, plan.height, len(content))
        encoded = plan.encoded(picture)
    sha256 = fetched_sha256 if encoded.content is content else hashlib.sha256(encoded.content).hexdigest()
    if forbidden.has_file(sha256):
        raise NoImageError(FORBIDDEN)
    return StoredImage(
        content=encoded.content,
        sha256=sha256,
        mime=encoded.mime,
        width=encoded.width,
        height=encoded.height,
        phash=phash,
        fetched_sha256=fetched_sha256,
        fetched_bytes=len(content),
        fetched_mime=plan.mime,
        signals=signals,
    )


def _one_large_at_a_time(image: Image.Image) -> contextlib.AbstractContextManager[object]:
    """Large pictures are decoded one at a time, whatever the number of threads: each may take 600 MiB."""
    return _large if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImage:
    """A file for the store."""

    content: bytes
    mime: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one picture is decoded and stored, decided from its header and the recipe."""

    mime: str
    orientation: int
    width: int
    """Pixels of the picture as fetched, as a viewer shows it."""
    height: int
    kept: bytes | None
    """The bytes to store unchanged, without metadata; None if the picture has to be encoded."""
    target: tuple[int, int] | None
    """The size to bring the picture down to, if it is to be resized."""
    factor: int
    """The divisor of its sides in decoding."""
    thumbnail_factor: int
    """The further divisor of its sides for the thumbnail."""
    quality: int
    profile: bytes | None
    """The picture's ICC profile, which is kept if it still describes the picture's channels."""

    @classmethod
    def of(cls, image: Image.Image, content: bytes, settings: Images) -> Self:
        """The plan for an opened picture. Raises `NoImageError` for one made to keep the decoder busy."""
        orientation = pixels.orientation_of(image)
        width, height = image.size if orientation < 5 else image.size[::-1]
        target = pixels.target_size(width, height, settings.size, settings.pixels)
        form = image.format or ""
        kept = _without_metadata(content, form) if target is None and orientation == 1 else None
        if kept is None and MIME_OF_FORMAT[form] == "image/jpeg":
            _check_scans(content, form)
        thumbnail = pixels.thumbnail_factor(width, height)
        max_encoded = ENCODED_PIXELS // 4 if image.mode == "CMYK" else ENCODED_PIXELS
        factor = thumbnail if kept is not None else min(thumbnail, _encoding_factor(width, height, target, max_encoded))
        return cls(
            mime=MIME_OF_FORMAT[form],
            orientation=orientation,
            width=width,
            height=height,
            kept=kept,
            target=target,
            factor=factor,
            thumbnail_factor=thumbnail // factor,
            quality=settings.quality,
            profile=None if image.mode == "CMYK" else image.info.get("icc_profile"),
        )

    def encoded(self, picture: Image.Image) -> EncodedImage:
        """The file for the store; `picture` is the decoded one, its sides divided by `factor`."""
        if self.kept is not None:
            return EncodedImage(content=self.kept, mime=self.mime, width=self.width, height=self.height)
        if self.target is not None:
            picture = pixels.resized(picture, self.target)
        picture.info = {}  # Pillow would write a comment that it has read
        jpeg = picture.mode != "RGBA" and max(picture.size) <= JPEG_MAX_SIDE
        file = io.BytesIO()
        profile = self.profile if self.profile and self.profile[16:20] == PROFILE_SPACES[picture.mode] else None
        if jpeg:
            picture.save(file, "JPEG", quality=self.quality, icc_profile=profile)
        else:
            picture.save(file, "PNG", icc_profile=profile, compress_level=3)  # half of the default's time, 1 % larger
        mime = "image/jpeg" if jpeg else "image/png"
        return EncodedImage(content=file.getvalue(), mime=mime, width=picture.width, height=picture.height)


def _without_metadata(content: bytes, form: str) -> bytes | None:
    """None for a file whose structure cannot be parsed: if it decodes, it is encoded again."""
    try:
        return without_metadata(content, form)
    except TooManyScansError as error:
        raise NoImageError("too_many_scans") from error
    except StructureError:
        return None


def _check_scans(content: bytes, form: str) -> None:
    """Raise `NoImageError` for a JPEG of too many scans, and for one with many whose structure cannot be parsed."""
    if has_one_scan(content) or content.count(START_OF_SCAN) <= MAX_SCANS:
        return
    try:
        without_metadata(content, form)  # the marker's bytes may also occur in metadata
    except StructureError as error:
        raise NoImageError("too_many_scans") from error


def _encoding_factor(width: int, height: int, target: tuple[int, int] | None, max_pixels: int) -> int:
    """The largest divisor that leaves `MIN_DECODED_RATIO` times the target's sides; without a target, the smallest
    that leaves at most `max_pixels`."""
    if target is None:
        return next((f for f in (1, 2, 4) if width * height <= max_pixels * f * f), 8)
    ratio = min(width / target[0], height / target[1])
    return next(f for f in pixels.FACTORS if f == 1 or ratio >= MIN_DECODED_RATIO * f)


# glibc's malloc returns memory to the system whenever some megabytes at the end of the heap are free, and takes it
# again page by page for the next picture: hundreds of page faults per picture.

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt(3)."""
KEPT_BYTES = 64 * 2**20
"""Freed memory that stays with the process, at most."""
IN_HEAP_BYTES = 4 * 2**20
"""A larger block, such as the body of a response, is taken from the system and returned at once: in the heap it would
leave a hole. Pillow allocates pictures in blocks of 1 MiB."""


@functools.cache
def keep_freed_memory() -> None:
    """Make malloc keep freed memory for the next picture; once per process, no effect if the C library is not glibc."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, IN_HEAP_BYTES)
