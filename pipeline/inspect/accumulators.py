"""Numbers, values and hashes counted batch by batch, so that memory stays flat whatever the dataset's size.

* `Numbers`: a number is counted in its bin and by its first three digits (900 counters per power of ten, from which the
  percentiles come, within half a percent).
* `Values`: values such as hosts are counted in a table of bounded size.
* `Distinct`: how many different hashes there are, by adaptive sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.pipeline.inspect.figures import Bin, Distribution, Frequencies, Value
from m3w.pipeline.inspect.funnel import share

PERCENTILES = (5, 25, 50, 75, 95)

FEW = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
MANY = (0, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000)
PIXELS = (0, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
BYTES = (0, *(1024 * 2**power for power in range(15)))
SHARES = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
TENTHS = tuple(round(tenth / 10, 1) for tenth in range(10))
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
        """Count an array; nulls, NaN and infinities count as missing."""
        numbers = np.asarray(values.drop_null().to_numpy(zero_copy_only=False), dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        self.missing += len(values) - len(numbers)
        if not len(numbers):
            return
        self._count += len(numbers)
        self._sum += float(numbers.sum())
        self._lowest = min(float(numbers.min()), self._lowest if self._lowest is not None else np.inf)
        self._highest = max(float(numbers.max()), self._highest if self._highest is not None else -np.inf)
        bins = np.searchsorted(np.asarray(self.edges), numbers, side="right") - 1
        self._bins += np.bincount(np.maximum(bins, 0), minlength=len(self.edges))
        self._rounded += np.bincount(_rounded(numbers), minlength=len(self._rounded))

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
        indices = [int(np.searchsorted(below, self._count * percent / 100)) for percent in PERCENTILES]
        return {str(percent): _value(index) for percent, index in zip(PERCENTILES, indices, strict=True)}


_LEAST, _MOST = -9, 15
"""Powers of ten that are told apart; a smaller number counts as 0."""
_ROUNDED = (_MOST - _LEAST + 1) * 900


def _rounded(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """The counter of each number: 0 in the middle, negative numbers before it, in ascending order."""
    size = np.abs(numbers)
    known = size >= 10.0**_LEAST
    power = np.floor(np.log10(size, out=np.zeros_like(size), where=known))
    digits = np.rint(size * 10.0 ** (2 - power))  # 100 to 1000, and 1000 is 100 of the next power
    index = np.clip((power - _LEAST) * 900 + digits - 99, 1, _ROUNDED).astype(np.int64)
    return np.where(known, _ROUNDED + np.where(numbers < 0, -index, index), _ROUNDED)


def _value(index: int) -> float:
    """The number, to three digits, that the counter `index` counts."""
    if index == _ROUNDED:
        return 0.0
    power, digits = divmod(abs(index - _ROUNDED) - 1, 900)
    value = float(f"{digits + 100}e{power + _LEAST - 2}")
    return value if index > _ROUNDED else -value


VALUES_HELD = 500_000
"""Values counted at a time (about 30 MB of hosts); when there are more, the names of the rarer half are forgotten."""
_EMPTY = pa.table({"value": pa.array([], pa.string()), "count": pa.array([], pa.int64())})
_MOST_FREQUENT = [("count", "descending"), ("value", "ascending")]


@dataclass
class Values:
    """How often each value of a column occurs."""

    title: str
    unit: str
    held: int = VALUES_HELD
    _counts: pa.Table = field(default_factory=lambda: _EMPTY)
    """`value` and `count`, each value once."""
    _pending: list[pa.Table] = field(default_factory=list)
    """Of batches that are not in `_counts` yet."""
    _forgotten: int = 0
    _most_held: int = 0

    def add(self, values: pa.Array) -> None:
        """Count an array; a null is the value `unknown`."""
        counts = pc.value_counts(values)
        names = pc.fill_null(pc.cast(counts.field("values"), pa.string()), "unknown")
        self._pending.append(pa.table({"value": names, "count": counts.field("counts")}))
        if sum(table.num_rows for table in self._pending) > self.held:
            self._settle()

    def _settle(self) -> None:
        """Merge pending batches into the table, and forget the rarer half of it if it has become too long."""
        if self._pending:
            grouped = pa.concat_tables([self._counts, *self._pending]).group_by("value").aggregate([("count", "sum")])
            self._counts = grouped.rename_columns({"value": "value", "count_sum": "count"})
            self._pending = []
        if self._counts.num_rows > self.held:
            total = self._sum()
            self._most_held = max(self._most_held, self._counts.num_rows)
            self._counts = self._counts.sort_by(_MOST_FREQUENT).slice(0, self.held // 2)
            self._forgotten += total - self._sum()

    def _sum(self) -> int:
        return int(pc.sum(self._counts["count"]).as_py() or 0)

    def close(self, *, listed: int = 20) -> Frequencies:
        """The frequencies, with the `listed` most frequent values by name."""
        self._settle()
        total = self._sum() + self._forgotten
        most = self._counts.sort_by(_MOST_FREQUENT).slice(0, listed).to_pylist()
        return Frequencies(
            title=self.title,
            unit=self.unit,
            total=total,
            distinct=max(self._most_held, self._counts.num_rows),
            exact=not self._forgotten,
            values=[Value(**each, share=share(each["count"], total)) for each in most],
            others=total - sum(each["count"] for each in most),
        )

    def per_value(self, title: str, unit: str, edges: Sequence[float]) -> Distribution:
        """How often each value occurs, as a distribution: the long tail of hosts, for example.

        Of the values that are still held by name; see `Frequencies.exact`.
        """
        self._settle()
        numbers = Numbers(title, unit, edges)
        numbers.add(self._counts["count"].combine_chunks())
        return numbers.close()


HASHES_HELD = 2**19
"""Hashes of 8 bytes; a few times as many before a batch is merged."""
_DIGITS = 16
_NIBBLES = np.zeros(256, np.uint64)
_NIBBLES[[ord(digit) for digit in "0123456789abcdef"]] = range(16)


class Distinct:
    """Counts different hashes, given as hexadecimal digits, in memory of a fixed size.

    Adaptive sampling (Wegman; Flajolet, "On adaptive sampling", 1990): the hashes held are those divisible by 2^d; once
    there are more than `held`, d grows by one and half of them go. The estimate is the number held times 2^d, with a
    standard error of 1.2 / sqrt(held): 0.2 percent. While d is 0 the count is exact.
    """

    def __init__(self, held: int = HASHES_HELD):
        self._held, self._depth, self.total = held, 0, 0
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._pending: list[NDArray[np.uint64]] = []

    def add(self, hashes: pa.Array) -> None:
        """Count an array of at least 16 hexadecimal digits each; anything else, such as a null, is left out."""
        numbers = _first_digits(hashes.filter(pc.match_substring_regex(hashes, f"^[0-9a-f]{{{_DIGITS},}}$")))
        self.total += len(numbers)
        self._pending.append(self._sampled(numbers))
        if sum(map(len, self._pending)) > self._held:
            self._settle()

    def _settle(self) -> None:
        merged = np.sort(np.concatenate([self._hashes, *self._pending]))
        self._hashes, self._pending = merged[np.concatenate([[True], merged[1:] != merged[:-1]])[: len(merged)]], []
        while len(self._hashes) > self._held:
            self._depth += 1
            self._hashes = self._sampled(self._hashes)

    def _sampled(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        chosen: NDArray[np.uint64] = numbers[numbers & np.uint64(2**self._depth - 1) == 0]
        return chosen

    @property
    def exact(self) -> bool:
        self._settle()
        return self._depth == 0

    @property
    def count(self) -> int:
        """Different hashes; an estimate unless `exact`, and never more than were counted."""
        self._settle()
        return min(len(self._hashes) << self._depth, self.total)


def _first_digits(hashes: pa.Array) -> NDArray[np.uint64]:
    """The first 16 digits of each hash as a number."""
    joined = "".join(pc.utf8_slice_codeunits(hashes, 0, _DIGITS).to_pylist()).encode()
    nibbles = _NIBBLES[np.frombuffer(joined, np.uint8).reshape(-1, _DIGITS)]
    numbers = np.zeros(len(hashes), np.uint64)
    for column in nibbles.T:
        numbers = (numbers << np.uint64(4)) | column
    return numbers
