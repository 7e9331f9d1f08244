"""Numbers and values gathered batch by batch, so that memory stays flat whatever the dataset's size.

A number costs its bin and a count of its first three digits (900 for each power of ten, from which the percentiles
come, within half a percent). Values such as hosts are counted in a table of bounded size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.pipeline.inspect.figures import Bin, Distribution

PERCENTILES = (5, 25, 50, 75, 95)

FEW = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
MANY = (0, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000)
PIXELS = (0, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
BYTES = (0, *(1024 * 2**power for power in range(15)))
SHARES = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
TENTHS = tuple(round(place / 10, 1) for place in range(10))
CHARACTERS = (0, 1, 50, 100, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000)
RATIOS = (1, 1.05, 1.25, 1.5, 1.75, 2, 2.5, 3)


@dataclass
class Numbers:
    """One number over all documents, images or sequences."""

    title: str
    unit: str
    edges: Sequence[float]
    """Lower ends of the bins; the last bin is open."""
    whole: bool = True
    missing: int = 0
    _count: int = 0
    _sum: float = 0.0
    _lowest: float | None = None
    _highest: float | None = None
    _bins: NDArray[np.int64] = field(init=False)
    _rounded: NDArray[np.int64] = field(init=False)
    """How many values have each sign, power of ten and three digits."""

    def __post_init__(self) -> None:
        self._bins = np.zeros(len(self.edges), dtype=np.int64)
        self._rounded = np.zeros(2 * _ROUNDED + 1, dtype=np.int64)

    def add(self, values: pa.Array) -> None:
        """Take in an array; nulls and what is no number count as missing."""
        numbers = np.asarray(values.drop_null().to_numpy(zero_copy_only=False), dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        self.missing += len(values) - len(numbers)
        if not len(numbers):
            return
        self._count += len(numbers)
        self._sum += float(numbers.sum())
        self._lowest = min(float(numbers.min()), self._lowest if self._lowest is not None else np.inf)
        self._highest = max(float(numbers.max()), self._highest if self._highest is not None else -np.inf)
        places = np.searchsorted(np.asarray(self.edges), numbers, side="right") - 1
        self._bins += np.bincount(np.maximum(places, 0), minlength=len(self.edges))
        self._rounded += np.bincount(_places(numbers), minlength=len(self._rounded))

    def close(self) -> Distribution:
        highs = [*self.edges[1:], None]
        return Distribution(
            title=self.title,
            unit=self.unit,
            whole=self.whole,
            count=self._count,
            missing=self.missing,
            lowest=self._lowest,
            highest=self._highest,
            mean=round(self._sum / self._count, 4) if self._count else None,
            percentiles=self._percentiles(),
            bins=[
                Bin(low=low, high=high, count=int(count))
                for low, high, count in zip(self.edges, highs, self._bins, strict=True)
            ],
        )

    def _percentiles(self) -> dict[str, float]:
        """The smallest value that at least so many percent of all values do not exceed."""
        if not self._count:
            return {}
        below = np.cumsum(self._rounded)
        places = [int(np.searchsorted(below, self._count * percent / 100)) for percent in PERCENTILES]
        return {str(percent): _value(place) for percent, place in zip(PERCENTILES, places, strict=True)}


_LEAST, _MOST = -9, 15
"""Powers of ten that are told apart; below it a number counts as 0."""
_ROUNDED = (_MOST - _LEAST + 1) * 900


def _places(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where each number is counted: negative ones, 0 in the middle, positive ones; larger numbers further on."""
    size = np.abs(numbers)
    known = size >= 10.0**_LEAST
    power = np.floor(np.log10(size, out=np.zeros_like(size), where=known))
    digits = np.rint(size * 10.0 ** (2 - power))  # 100 to 1000, and 1000 is 100 of the next power
    place = np.clip((power - _LEAST) * 900 + digits - 99, 1, _ROUNDED).astype(np.int64)
    return np.where(known, _ROUNDED + np.where(numbers < 0, -place, place), _ROUNDED)


def _value(place: int) -> float:
    """The number that is counted there, with its three digits."""
    if place == _ROUNDED:
        return 0.0
    power, digits = divmod(abs(place - _ROUNDED) - 1, 900)
    value = float(f"{digits + 100}e{power + _LEAST - 2}")
    return value if place > _ROUNDED else -value


def hosts(urls: pa.Array) -> pa.Array:
    """The host of each URL, lower case; null where a URL names none."""
    found = pc.extract_regex(urls, r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]+)")
    return pc.utf8_lower(pc.struct_field(found, "host"))


def longer_by_shorter(width: pa.Array, height: pa.Array) -> pa.Array:
    """The aspect ratio as the rules have it: the longer side by the shorter, at least 1; null without a size."""
    longer: Any = pc.cast(pc.max_element_wise(width, height, skip_nulls=False), pa.float64())
    shorter: Any = pc.cast(pc.min_element_wise(width, height, skip_nulls=False), pa.float64())
    return pc.divide(longer, shorter)
