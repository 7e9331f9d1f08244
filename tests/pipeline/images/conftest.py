"""Pictures made for a test."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


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
