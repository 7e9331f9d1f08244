"""One document on its way in or out: its nodes and the bytes of its images, whatever the form of the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from m3w.pipeline.engine.ledger import Fault
from m3w.schemas.document import OK, ImageReference, InterleavedDocument

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp", "gif")


@dataclass(slots=True, kw_only=True)
class Sample:
    """A document and what its file carries of its images."""

    document: InterleavedDocument
    contents: dict[str, bytes] = field(default_factory=dict)
    """Bytes by image URL; an image that is not here is to be fetched."""


Reader = Callable[[BinaryIO, str], Iterator[Sample | Fault]]
"""Reads an open file; its path says of what kind it is. What is unreadable is given as a `Fault`; the rest goes on."""


class BadSample(ValueError):
    """A sample that is not what its format says; the message is the reason it is counted under."""


def content_url(content: bytes) -> str:
    """A name for an image without a URL: the same bytes have the same one. Nothing can be fetched from it."""
    return f"urn:sha256:{hashlib.sha256(content).hexdigest()}"


def exported_nodes(row: dict[str, Any]) -> Iterator[tuple[str | None, ImageReference | None, bytes | None]]:
    """The nodes of a row of `m3w.schemas.document.DATASET_SCHEMA` that other projects get: texts, and images with
    bytes.

    An image that was not fetched, broke a rule or was opted out is left out, and so is a video.
    """
    document = InterleavedDocument.from_row(row)
    for text, image, content in zip(document.texts, document.images, row["image_bytes"], strict=True):
        if text is not None:
            yield text, None, None
        elif image is not None and image.status == OK:
            assert content is not None
            yield None, image, content
