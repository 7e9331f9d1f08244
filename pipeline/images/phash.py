"""The perceptual hash: pictures that look alike have hashes that differ in few bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PHASH_SIDE, PHASH_FREQUENCIES = 32, 8


def perceptual_hash(picture: Image.Image) -> str:
    """16 hex digits: the signs, against their median, of the 64 lowest frequencies of the picture in 32 x 32 greys.

    The usual "pHash" (Zauner, 2010): a DCT, its top left 8 x 8, bits in row order, the first the highest. In whole
    numbers, so that a frequency that a picture does not have is 0 on every machine, not a rounding error of either
    sign.
    """
    small = picture.convert("L").resize((PHASH_SIDE, PHASH_SIDE), Image.Resampling.LANCZOS)
    greys = np.frombuffer(small.tobytes(), dtype=np.uint8).reshape(PHASH_SIDE, PHASH_SIDE).astype(np.float64)
    low = (_DCT @ greys @ _DCT.T).ravel()
    ordered = np.sort(low)
    above = 2 * low > ordered[len(low) // 2 - 1] + ordered[len(low) // 2]  # twice the median
    return np.packbits(above).tobytes().hex()


def distance(first: str, second: str) -> int:
    """Bits, of 64, in which two hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _lowest_frequencies() -> NDArray[np.float64]:
    """The first rows of the DCT's matrix in units of 2^-14, whole numbers; two products with 32 x 32 greys stay below
    2^47, so floats add them up exactly, in whatever order."""
    k, n = np.meshgrid(np.arange(PHASH_FREQUENCIES), np.arange(PHASH_SIDE), indexing="ij")
    waves = np.cos(np.pi * k * (2 * n + 1) / (2 * PHASH_SIDE))
    return np.asarray(np.rint(2**14 * waves), dtype=np.float64)


_DCT = _lowest_frequencies()
