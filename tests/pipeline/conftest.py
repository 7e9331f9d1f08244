"""Tiny archives, written byte by byte, so that a test says exactly what is wrong with them; and pictures."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]
ArchiveRecord = Callable[..., bytes]
"""See `archive_record`."""


def _archive_record(
    url: str = "http://site.example/",
    body: bytes = b"<p>hello</p>",
    *,
    kind: str = "response",
    status: str = "200 OK",
    content_type: str = "text/html; charset=utf-8",
    headers: tuple[str, ...] = (),
    warc_headers: tuple[str, ...] = (),
    length: int | str | None = None,
    date: str = "2020-01-02T03:04:05Z",
) -> bytes:
    http = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers]
    block = "\r\n".join(http).encode() + b"\r\n\r\n" + body if kind == "response" else body
    warc = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {url}",
        f"WARC-Date: {date}",
        *warc_headers,
        f"Content-Length: {len(block) if length is None else length}",
    ]
    return "\r\n".join(warc).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


@pytest.fixture(scope="session")
def archive_record() -> ArchiveRecord:
    """One WARC record; `length` is stated in place of the true one, `headers` and `warc_headers` are whole lines."""
    return _archive_record


def _encoded(image: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


@pytest.fixture(scope="session")
def encoded() -> Encode:
    """A picture as a file of the given kind, PNG if none is given."""
    return _encoded


@pytest.fixture(scope="session")
def photo() -> Callable[..., Image.Image]:
    """Coloured shapes without fine detail or symmetry, `width` x `height`."""

    def make(width: int = 300, height: int = 200) -> Image.Image:
        small = np.random.default_rng(7).integers(0, 255, (5, 7, 3), dtype=np.uint8)
        return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)

    return make
