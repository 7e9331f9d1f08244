"""Images that must not be stored: lists of hashes, such as child-protection and takedown lists come as."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import numpy as np

from m3w.pipeline.engine.list_file import read_entries
from m3w.recipes.errors import InputError

FORBIDDEN = "forbidden"
"""The status of an image on a list."""
_SHA256, _PHASH = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{16}")


class ForbiddenImages:
    """SHA-256 hashes of files, and perceptual hashes with the number of bits that may differ."""

    def __init__(self, hashes: Iterable[str], max_distance: int):
        hashes = set(hashes)
        self._files = {name for name in hashes if len(name) == 64}
        looks = sorted(int(name, 16) for name in hashes if len(name) == 16)
        self._looks = np.array(looks, dtype=np.uint64)
        self._max_distance = max_distance

    def has_file(self, sha256: str) -> bool:
        return sha256 in self._files

    def has_look(self, phash: str) -> bool:
        """Whether a listed perceptual hash is near: one pass over all of them, about 3 ms a million."""
        if not len(self._looks):
            return False
        bits = np.bitwise_count(self._looks ^ np.uint64(int(phash, 16)))
        return bool(bits.min() <= self._max_distance)


def read_forbidden(paths: list[str], max_distance: int) -> ForbiddenImages:
    """The lists at `paths`, read once in a process. Raises `InputError` for a line that is no hash."""
    return _read(tuple(paths), max_distance)


@functools.lru_cache(maxsize=4)
def _read(paths: tuple[str, ...], max_distance: int) -> ForbiddenImages:
    return ForbiddenImages((_checked(line, path) for path in paths for line in read_entries(path)), max_distance)


def _checked(line: str, path: str) -> str:
    name = line.lower()
    if not _SHA256.fullmatch(name) and not _PHASH.fullmatch(name):
        raise InputError(
            f"{line[:80]!r} in the list {path} is neither a SHA-256 (64 hex digits) nor a perceptual hash (16), so "
            "nothing would be recognised by it; mend or remove the line"
        )
    return name
