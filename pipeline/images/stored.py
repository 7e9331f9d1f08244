"""Fetched bytes to what is stored of them: the one function that a fetcher calls.

A picture that is neither resized nor turned keeps its bytes, but for its metadata, and is decoded once, small, for what
is measured on it. Any other is decoded at twice the wanted size or more, brought down by means over areas (what
img2dataset's resizer does) and encoded: JPEG, or PNG where something is transparent. See docs/images.md.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any

from PIL import Image

from m3w.pipeline.filters.signals.image import measure
from m3w.pipeline.images import pixels as raster
from m3w.pipeline.images.decode import NoImageError, opened
from m3w.pipeline.images.forbidden import FORBIDDEN, read_forbidden
from m3w.pipeline.images.malloc import keep_freed_memory
from m3w.pipeline.images.phash import perceptual_hash
from m3w.pipeline.images.plan import Plan
from m3w.pipeline.images.section import Images

LARGE_PIXELS = 8_000_000
_large = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image as it goes to the store, with what the index says of it."""

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
        """The image's columns of `m3w.pipeline.tables.INDEX_SCHEMA`: all fields but `content`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "content"}


def prepare(content: bytes, settings: Images, *, max_pixels: int, at_once: int | None = None) -> StoredImage:
    """What is stored of the fetched bytes `content`. Raises `m3w.pipeline.images.decode.NoImageError` with the status.

    An image on one of the recipe's lists, by the SHA-256 of its fetched or stored bytes or by its perceptual hash, is
    `forbidden`. A picture of more than `at_once` pixels is not decoded: `m3w.pipeline.images.decode.TakesLongError`.
    """
    keep_freed_memory()
    forbidden = read_forbidden(settings.forbidden, settings.forbidden_distance)
    fetched_sha256 = hashlib.sha256(content).hexdigest()
    if forbidden.has_file(fetched_sha256):
        raise NoImageError(FORBIDDEN)
    with opened(content, max_pixels=max_pixels, at_once=at_once) as image, _turn(image):
        plan = Plan.of(image, content, settings)
        picture = raster.shown(image, plan.factor, plan.orientation)
        glance = raster.on_white(picture if plan.rest == 1 else picture.reduce(plan.rest))
        phash = perceptual_hash(glance)
        if forbidden.has_look(phash):
            raise NoImageError(FORBIDDEN)
        signals = measure(glance, plan.width, plan.height, len(content))
        stored = plan.stored(picture)
    sha256 = fetched_sha256 if stored.content is content else hashlib.sha256(stored.content).hexdigest()
    if forbidden.has_file(sha256):
        raise NoImageError(FORBIDDEN)
    return StoredImage(
        content=stored.content,
        sha256=sha256,
        mime=stored.mime,
        width=stored.width,
        height=stored.height,
        phash=phash,
        fetched_sha256=fetched_sha256,
        fetched_bytes=len(content),
        fetched_mime=plan.mime,
        signals=signals,
    )


def _turn(image: Image.Image) -> AbstractContextManager[object]:
    """Of the large pictures one at a time is decoded, whatever the number of threads: each may take 600 MiB."""
    return _large if image.width * image.height > LARGE_PIXELS else nullcontext()
