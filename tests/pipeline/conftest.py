"""Fixtures for several rooms: tiny archives, written byte by byte; images; a run whose stages run inline."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.inline import InlineRun
from m3w.pipeline.build import STAGES
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import settings_of
from m3w.pipeline.recipe import Recipe

Encode = Callable[..., bytes]
ArchiveRecord = Callable[..., bytes]
"""See `archive_record`."""
Encode = Callable[..., bytes]


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
    """One WARC record; `length` replaces the true one, `headers` and `warc_headers` are whole lines."""
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


@pytest.fixture
def in_place(tmp_path: Path) -> InlineRun:
    """A run whose stages run in this process, part by part, without Ray."""
    return InlineRun(tmp_path)


def _fingerprints(recipe: Recipe) -> dict[str, str]:
    executor = Executor(Run("memory://"), recipe.execution, Progress(), drops=recipe.drops)
    return {stage.attribute: executor.fingerprint(stage, settings_of(stage.settings, recipe)) for stage in STAGES}


@pytest.fixture(scope="session")
def fingerprints() -> Callable[[Recipe], dict[str, str]]:
    """The fingerprint of every declared stage, by its function's name, including those that the recipe does not enable."""
    return _fingerprints
