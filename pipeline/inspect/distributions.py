"""Numbers and values gathered batch by batch, so that memory stays flat whatever the dataset's size.

A number costs its bin and a count of its first three digits (about 900 for each power of ten, from which the
percentiles come, within half a percent). Values such as hosts are counted in a table of bounded size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.inspect.figures import Bin, Distribution, Frequencies, Value
from pipeline.inspect.funnel import share

PERCENTILES = (5, 25, 50, 75, 95)

FEW = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 50, 100)
MANY = (0, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000)
PIXELS = (0, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
BYTES = (0, *(1024 * 2**power for power in range(15)))
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
    _rounded: Counter[float] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._bins = np.zeros(len(self.edges), dtype=np.int64)

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
        values_rounded, counts = np.unique(_three_digits(numbers), return_counts=True)
        self._rounded.update(dict(zip(values_rounded.tolist(), counts.tolist(), strict=True)))

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
        values = np.array(sorted(self._rounded))
        below = np.cumsum([self._rounded[value] for value in values.tolist()])
        places = [int(np.searchsorted(below, self._count * percent / 100)) for percent in PERCENTILES]
        return {str(percent): float(values[place]) for percent, place in zip(PERCENTILES, places, strict=True)}


def _three_digits(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to three significant digits; whole numbers below 1000 stay what they are."""
    sizes = np.where(numbers == 0, 1.0, np.abs(numbers))
    scale = 10.0 ** (2 - np.floor(np.log10(sizes)))
    rounded: NDArray[np.float64] = np.round(numbers * scale) / scale
    return rounded


HELD = 500_000
"""Values counted at a time (about 100 MB of hosts); when there are more, the rarer half is forgotten by name."""


@dataclass
class Values:
    """How often each value of a column stands in the dataset."""

    title: str
    unit: str
    held: int = HELD
    _counts: Counter[str] = field(default_factory=Counter)
    _forgotten: int = 0
    _most_held: int = 0

    def add(self, values: pa.Array) -> None:
        """Take in an array; a null is the value `unknown`."""
        for found in pc.value_counts(pc.cast(values, pa.string())).to_pylist():
            self._counts[found["values"] if found["values"] is not None else "unknown"] += found["counts"]
        if len(self._counts) > self.held:
            self._forget()

    def _forget(self) -> None:
        kept = dict(_ordered(self._counts)[: self.held // 2])
        self._forgotten += sum(self._counts.values()) - sum(kept.values())
        self._most_held = max(self._most_held, len(self._counts))
        self._counts = Counter(kept)

    def close(self, *, listed: int = 20) -> Frequencies:
        """The figures, with the `listed` most frequent values by name."""
        total = sum(self._counts.values()) + self._forgotten
        most = _ordered(self._counts)[:listed]
        return Frequencies(
            title=self.title,
            unit=self.unit,
            total=total,
            distinct=max(self._most_held, len(self._counts)),
            exact=not self._forgotten,
            values=[Value(value=value, count=count, share=share(count, total)) for value, count in most],
            others=total - sum(count for _, count in most),
        )


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def hosts(urls: pa.Array) -> pa.Array:
    """The host of each URL, lower case; null where a URL names none."""
    found = pc.extract_regex(urls, r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]+)")
    return pc.utf8_lower(pc.struct_field(found, "host"))


def longer_by_shorter(width: pa.Array, height: pa.Array) -> pa.Array:
    """The aspect ratio as the rules have it: the longer side by the shorter, at least 1; null without a size."""
    longer: Any = pc.cast(pc.max_element_wise(width, height, skip_nulls=False), pa.float64())
    shorter: Any = pc.cast(pc.min_element_wise(width, height, skip_nulls=False), pa.float64())
    return pc.divide(longer, shorter)
