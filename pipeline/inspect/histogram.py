"""A distribution as an SVG of columns over named axes, its values written on it and under the pointer."""

from __future__ import annotations

import math
from html import escape

from m3w.pipeline.inspect.figures import Bin, Distribution
from m3w.pipeline.inspect.wording import bin_label, number, percent, short, shown_bins, size

WIDTH, HEIGHT = 440, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 16, 36
LABEL_WIDTH = 34
"""An axis label of six characters needs about so much; where columns are narrower some edges go without."""
SHARE_WIDTH = 24


def histogram(distribution: Distribution) -> str:
    """The bins as columns of equal width, whatever their edges: the axis says what these are."""
    bins = shown_bins(distribution)
    if not bins:
        return ""
    highest = max(each.count for each in bins) / distribution.count
    ticks = _ticks(highest)
    step = (WIDTH - LEFT - RIGHT) / len(bins)
    columns = "".join(_column(place, each, step, ticks[-1], distribution) for place, each in enumerate(bins))
    unit = escape(distribution.unit)
    name = f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{unit}</text>'
    described = escape(f"{distribution.title}: share of values by {distribution.unit or 'value'}")
    return (
        f'<figure class="histogram"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{described}">'
        f"{_grid(ticks)}{columns}{_edges(bins, step, distribution)}{name}</svg></figure>"
    )


def spark(distribution: Distribution) -> str:
    """The same without words, for a cell of a table."""
    bins = shown_bins(distribution)
    highest = max((each.count for each in bins), default=0) or 1
    step = 100 / max(len(bins), 1)
    drawn = "".join(
        f'<rect x="{place * step:.1f}" y="{20 - 20 * each.count / highest:.1f}" width="{step * 0.85:.1f}" '
        f'height="{20 * each.count / highest:.1f}"/>'
        for place, each in enumerate(bins)
    )
    return f'<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'


def _ticks(highest: float) -> list[float]:
    """Round shares from 0 to at least `highest`, three to six of them."""
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(power * factor for factor in (0.2, 0.25, 0.5, 1, 2) if highest / (power * factor) <= 5)
    return [round(place * step, 10) for place in range(math.ceil(highest / step - 1e-9) + 1)]


def _y(share: float, top: float) -> float:
    return HEIGHT - BOTTOM - share / top * (HEIGHT - TOP - BOTTOM)


def _grid(ticks: list[float]) -> str:
    drawn = []
    for tick in ticks:
        y = _y(tick, ticks[-1])
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(
            f'<text class="tick" x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{short(tick * 100)}&#8239;%</text>'
        )
    base = HEIGHT - BOTTOM
    drawn.append(f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    return "".join(drawn)


def _column(place: int, shown: Bin, step: float, top: float, distribution: Distribution) -> str:
    share = shown.count / distribution.count
    x, y, base = LEFT + place * step, _y(share, top), HEIGHT - BOTTOM
    unit = "" if distribution.unit == "bytes" else f" {distribution.unit}"
    said = escape(f"{bin_label(shown, distribution)}{unit}: {number(shown.count)} ({percent(share)})")
    written = ""
    if shown.count and step >= SHARE_WIDTH:
        rounded = f"{share * 100:.0f}" if share >= 0.095 else f"{share * 100:.1f}"
        written = f'<text class="share" x="{x + step / 2:.1f}" y="{y - 4:.1f}" text-anchor="middle">{rounded}</text>'
    width = max(step - 2, 1)
    return (
        f'<g data-tip="{said}"><title>{said}</title>'
        f'<rect class="hit" x="{x:.1f}" y="{TOP}" width="{step:.1f}" height="{base - TOP}"/>'
        f'<rect class="column" x="{x + 1:.1f}" y="{y:.1f}" width="{width:.1f}" height="{base - y:.1f}"/>{written}</g>'
    )


def _edges(bins: list[Bin], step: float, distribution: Distribution) -> str:
    """Whole numbers of one bin each are named under their column, other bins by their lower edge at its side."""
    single = distribution.whole and all(each.high is None or each.high - each.low == 1 for each in bins[:3])
    every = max(1, math.ceil(LABEL_WIDTH / step))
    drawn = []
    for place, each in enumerate(bins):
        if place % every:
            continue
        x = LEFT + place * step + (step / 2 if single else 0)
        label = _edge(each.low, distribution) + ("+" if each.high is None and single else "")
        drawn.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{escape(label)}</text>'
        )
    return "".join(drawn)


def _edge(low: float, distribution: Distribution) -> str:
    if distribution.unit == "bytes":
        return size(low).replace(" ", "").replace("bytes", "").replace("iB", "")
    return f"{low / 1000:g}k" if low >= 1000 else short(low)
