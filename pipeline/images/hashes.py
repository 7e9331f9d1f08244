"""Hashes of images: the perceptual hash, and lists of hashes of images that must not be stored.

Pictures that look alike have perceptual hashes that differ in few bits. Child-protection and takedown lists come as
lists of hashes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from m3w.pipeline.engine.list_file import read_entries
from m3w.recipes.errors import InputError

PHASH_SIDE, PHASH_FREQUENCIES = 32, 8
FORBIDDEN = "forbidden"
"""The status of an image on a list."""
_SHA256, _PHASH = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{16}")


def perceptual_hash(picture: Image.Image) -> str:
    """16 hex digits: the signs, against their median, of the 64 lowest frequencies of the picture in 32 x 32 greys.

    The usual "pHash" (Zauner, 2010): the top left 8 x 8 of a DCT, bits in row order, the highest first. Computed in
    integers, so that a frequency that is absent from the picture is 0 on every machine, not a rounding error of either
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
    """The first rows of the DCT's matrix in units of 2^-14, as integers. Two products with 32 x 32 greys stay below
    2^47, so floats add them exactly, in any order."""
    k, n = np.meshgrid(np.arange(PHASH_FREQUENCIES), np.arange(PHASH_SIDE), indexing="ij")
    waves = np.cos(np.pi * k * (2 * n + 1) / (2 * PHASH_SIDE))
    return np.asarray(np.rint(2**14 * waves), dtype=np.float64)


_DCT = _lowest_frequencies()


class ForbiddenImages:
    """SHA-256 hashes of files, and perceptual hashes with the number of bits that may differ."""

    def __init__(self, hashes: Iterable[str], max_distance: int):
        hashes = set(hashes)
        self._files = {name for name in hashes if len(name) == 64}
        phashes = sorted(int(name, 16) for name in hashes if len(name) == 16)
        self._phashes = np.array(phashes, dtype=np.uint64)
        self._max_distance = max_distance

    def has_file(self, sha256: str) -> bool:
        return sha256 in self._files

    def has_picture(self, phash: str) -> bool:
        """Whether a listed perceptual hash is near: one pass over all of them, about 3 ms per million."""
        if not len(self._phashes):
            return False
        bits = np.bitwise_count(self._phashes ^ np.uint64(int(phash, 16)))
        return bool(bits.min() <= self._max_distance)


def read_forbidden(paths: list[str], max_distance: int) -> ForbiddenImages:
    """The lists at `paths`, read once per process. Raises `InputError` for a line that is not a hash."""
    return _read(tuple(paths), max_distance)


@functools.lru_cache(maxsize=4)
def _read(paths: tuple[str, ...], max_distance: int) -> ForbiddenImages:
    return ForbiddenImages((_checked(line, path) for path in paths for line in read_entries(path)), max_distance)


def _checked(line: str, path: str) -> str:
    name = line.lower()
    if not _SHA256.fullmatch(name) and not _PHASH.fullmatch(name):
        raise InputError(
            f"{line[:80]!r} in the list {path} is neither a SHA-256 (64 hex digits) nor a perceptual hash (16), so "
            "nothing would match it; correct or remove the line"
        )
    return name
