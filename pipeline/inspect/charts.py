"""Charts as numbers: where bars, columns, lines and labels lie in their SVG, which templates/figures.html draws.

Colours come by class from the page's style sheet, so that charts follow light and dark, and the page's
Content-Security-Policy needs no exception.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from m3w.pipeline.inspect.figures import Bin, Distribution
from m3w.pipeline.inspect.wording import bin_label, number, percent, plain, short, shown_bins, size

Point = tuple[float, float]


@dataclass(frozen=True)
class Bar:
    label: str
    count: int
    share: float
    """The share that is printed."""
    length: float
    """Of the bar, as a fraction of the longest possible; 0 draws none."""
    kind: str = "value"
    """CSS class of the row: `value`, `kept`, `dropped`, `passed`, `entered`."""

    @property
    def percent_wide(self) -> float:
        return max(min(self.length, 1) * 100, 0.6 if self.length else 0)


def value_bars(counts: Sequence[tuple[str, int]], total: int) -> list[Bar]:
    """Bars whose lengths are relative to the largest count."""
    longest = max((count for _, count in counts), default=0) or 1
    return [Bar(label, count, count / total if total else 0, count / longest) for label, count in counts]


@dataclass(frozen=True)
class Histogram:
    """The bins as columns of equal width, whatever their edges."""

    width, height = 440, 190
    left, right, top, base = 46, 434, 16, 154
    """Where the columns lie."""
    label_width, share_width = 34, 24
    """What an edge's label and a column's share need; where columns are narrower, some or all are left out."""
    distribution: Distribution

    @cached_property
    def bins(self) -> list[Bin]:
        return shown_bins(self.distribution)

    @cached_property
    def _shares(self) -> list[float]:
        """Round shares from 0 to at least the highest column's, three to six of them."""
        highest = max(each.count for each in self.bins) / self.distribution.count
        power = 10.0 ** math.floor(math.log10(highest))
        step = next(power * factor for factor in (0.2, 0.25, 0.5, 1, 2) if highest / (power * factor) <= 5)
        return [round(n * step, 10) for n in range(math.ceil(highest / step - 1e-9) + 1)]

    @property
    def _step(self) -> float:
        return (self.right - self.left) / len(self.bins)

    def _y(self, share: float) -> float:
        return round(self.base - share / self._shares[-1] * (self.base - self.top), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """y and label of each horizontal line."""
        return ((self._y(share), short(share * 100)) for share in self._shares)

    def columns(self) -> Iterator[tuple[float, float, float, str, str]]:
        """x, y and width of each column, `50-74 words: 12 (3.4 %)`, and the share to print above it."""
        step, distribution = self._step, self.distribution
        unit = "" if distribution.unit == "bytes" else f" {distribution.unit}"
        for index, each in enumerate(self.bins):
            share = each.count / distribution.count
            words = f"{bin_label(each, distribution)}{unit}: {number(each.count)} ({percent(share)})"
            rounded = f"{share * 100:.0f}" if share >= 0.095 else f"{share * 100:.1f}"
            printed = rounded if each.count and step >= self.share_width else ""
            yield round(self.left + index * step, 1), self._y(share), round(step, 1), words, printed

    def edges(self) -> Iterator[tuple[float, str]]:
        """x and label on the axis: under the column for bins of one whole number, else at the lower edge."""
        bins = self.bins[:3]
        single = self.distribution.whole and all(each.high is None or each.high - each.low == 1 for each in bins)
        every = max(1, math.ceil(self.label_width / self._step))
        for index, each in list(enumerate(self.bins))[::every]:
            x = self.left + index * self._step + (self._step / 2 if single else 0)
            yield round(x, 1), self._edge(each.low) + ("+" if each.high is None and single else "")

    def _edge(self, low: float) -> str:
        if self.distribution.unit == "bytes":
            return size(low).replace(" ", "").replace("bytes", "").replace("iB", "")
        return f"{low / 1000:g}k" if low >= 1000 else short(low)


@dataclass(frozen=True)
class Spark:
    """A histogram without words, for a cell of a table."""

    distribution: Distribution

    def columns(self) -> Iterator[tuple[float, float, float, float]]:
        """x, y, width and height in a box of 100 by 20."""
        bins = shown_bins(self.distribution)
        highest = max((each.count for each in bins), default=0) or 1
        step = 100 / max(len(bins), 1)
        for index, each in enumerate(bins):
            height = 20 * each.count / highest
            yield round(index * step, 1), round(20 - height, 1), round(step * 0.85, 1), round(height, 1)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Lines over one axis, such as the loss over training steps; each is labelled at its end."""

    kind: ClassVar[str] = "curve"
    width, height = 540, 280
    left, right, top, base = 48, 396, 14, 236
    """Where the lines lie; their labels are to the right."""
    label_height, label_gap, label_characters = 15, 4, 14
    most_points = 260
    """Points drawn of one line: where there are more, each is the mean of its neighbours."""
    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[Point]]
    """Points (x, y) of each line by its name, in order of x."""

    @cached_property
    def drawable(self) -> dict[str, list[Point]]:
        thinned = {name: self._thinned(points) for name, points in self.lines.items()}
        return {name: points for name, points in thinned.items() if points}

    def _thinned(self, points: Sequence[Point]) -> list[Point]:
        points = [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        group = -(-len(points) // self.most_points) or 1
        runs = [points[start : start + group] for start in range(0, len(points), group)]
        return [(sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs]

    @cached_property
    def _xs(self) -> list[float]:
        return _axis([x for points in self.drawable.values() for x, _ in points])

    @cached_property
    def _ys(self) -> list[float]:
        return _axis([y for points in self.drawable.values() for _, y in points])

    def _x(self, value: float) -> float:
        return self.left + (value - self._xs[0]) / (self._xs[-1] - self._xs[0]) * (self.right - self.left)

    def _y(self, value: float) -> float:
        share = (value - self._ys[0]) / (self._ys[-1] - self._ys[0])
        return self.base - share * (self.base - self.top)

    def x_ticks(self) -> list[tuple[float, str]]:
        return [(round(self._x(tick), 1), _tick(tick)) for tick in self._xs]

    def y_ticks(self) -> list[tuple[float, str]]:
        return [(round(self._y(tick), 1), _tick(tick)) for tick in self._ys]

    def paths(self) -> Iterator[str]:
        """The points of each line, for a `polyline`."""
        for points in self.drawable.values():
            yield " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in points)

    def labels(self) -> Iterator[list[tuple[float, str]]]:
        """Each line's name and last value, at the height where it ends: y and text of every row of the label."""
        lasts = {name: points[-1][1] for name, points in self.drawable.items()}
        texts = [textwrap.wrap(f"{plain(name)} {last:.3g}", self.label_characters) for name, last in lasts.items()]
        ends = self._apart([self._y(last) + 4 for last in lasts.values()], [len(rows) for rows in texts])
        for rows, end in zip(texts, ends, strict=True):
            yield [(round(end - n * self.label_height, 1), row) for n, row in enumerate(reversed(rows))][::-1]

    def _apart(self, ends: list[float], label_lines: list[int]) -> list[float]:
        """The y of each label's last line: where the curve ends, moved so that no two labels overlap."""
        moved, ceiling = list(ends), math.inf
        for index in sorted(range(len(ends)), key=lambda index: -ends[index]):
            moved[index] = min(ends[index], ceiling)
            ceiling = moved[index] - label_lines[index] * self.label_height - self.label_gap
        down = max(0.0, self.top - ceiling)
        return [y + down for y in moved]


def _axis(values: list[float]) -> list[float]:
    """Up to eight round numbers that enclose `values`."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (step * factor) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def _tick(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
