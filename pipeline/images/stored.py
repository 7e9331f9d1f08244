"""Fetched bytes to what is stored of them: the one function that a fetcher calls."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any

from pipeline.images.decode import look_at
from pipeline.recipe.images import Images


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
    """One number for each name in `pipeline.images.signals.IMAGE_SIGNALS`, of the picture as fetched."""

    def row(self) -> dict[str, Any]:
        """The image's columns of `pipeline.stages.tables.INDEX_SCHEMA`: all fields but `content`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "content"}


def prepare(content: bytes, settings: Images, *, max_pixels: int) -> StoredImage:
    """What is stored of the fetched bytes `content`. Raises `pipeline.images.decode.NoImageError` with the status."""
    picture = look_at(content, max_pixels=max_pixels)
    return StoredImage(
        content=content,
        sha256=picture.sha256,
        mime=picture.mime,
        width=picture.width,
        height=picture.height,
        phash=picture.phash,
        fetched_sha256=hashlib.sha256(content).hexdigest(),
        fetched_bytes=len(content),
        fetched_mime=picture.mime,
        signals=picture.signals(len(content)),
    )
