"""Charts as inline SVG: bars beside their values, and curves labelled at their ends.

Nothing here has a style of its own: colours come by class from the page's style sheet, so that they follow light and
dark, and the page's Content-Security-Policy needs no exception.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from m3w.pipeline.inspect.sections import Curve
from m3w.pipeline.inspect.wording import number, percent, plain


@dataclass(frozen=True)
class Row:
    label: str
    count: int
    share: float
    """The share that is said."""
    length: float
    """Of the bar, as a fraction of the longest possible; 0 draws none."""
    kind: str = "value"
    """Class of the row: `value`, `kept`, `dropped`, `passed`, `entered`."""


def bar_table(rows: Iterable[Row]) -> str:
    """One line for each row: label, bar, count, share. A table, so that it can be read without seeing the bars."""
    listed = list(rows)
    kind = "bars funnel" if any(row.kind == "entered" for row in listed) else "bars"
    kind += " large" if any(row.count >= 1_000_000 for row in listed) else ""
    columns = '<colgroup><col class="label"><col><col class="count"><col class="share"></colgroup>'
    return f'<table class="{kind}">{columns}{"".join(_bar_row(row) for row in listed)}</table>'


def value_rows(counts: Sequence[tuple[str, int]], total: int) -> list[Row]:
    """Rows whose bars are as long as their counts beside the largest."""
    longest = max((count for _, count in counts), default=0) or 1
    return [Row(label, count, count / total if total else 0, count / longest) for label, count in counts]


def _bar_row(row: Row) -> str:
    name = re.sub(r"([_./])(?=.)", r"\1<wbr>", escape(plain(row.label)))
    count = f'<td class="count">{number(row.count)}</td>'
    if row.kind == "entered":
        return f'<tr class="entered"><th scope="row" colspan="2">{name}</th>{count}<td></td></tr>'
    width = max(min(row.length, 1) * 100, 0.6 if row.length else 0)
    bar = (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{width:.2f}" height="10"/></svg>'
    )
    share = escape(percent(row.share)).replace(" ", "&nbsp;")
    return f'<tr class="{row.kind}"><th scope="row">{name}</th><td>{bar}</td>{count}<td class="share">{share}</td></tr>'


WIDTH, HEIGHT = 540, 280
LEFT, RIGHT, TOP, BOTTOM = 48, 144, 14, 44
LABEL_HEIGHT, LABEL_GAP, LABEL_CHARACTERS = 15, 4, 14
POINTS = 260
"""Points drawn of one line: more than this and each is the mean of its neighbours, since nobody can see more."""


def curve_chart(curve: Curve) -> str:
    """The curve as a figure; its lines are named where they end."""
    lines = {name: drawable for name, points in curve.lines.items() if (drawable := _thinned(points))}
    if not lines:
        return f"<figure><figcaption>{escape(curve.title)}: nothing was recorded</figcaption></figure>"
    xs = _axis([x for points in lines.values() for x, _ in points])
    ys = _axis([y for points in lines.values() for _, y in points])
    drawn = [_grid(xs, ys), *(_line(place, points, xs, ys) for place, points in enumerate(lines.values()))]
    drawn += _names(lines, xs, ys)
    middle = (LEFT + WIDTH - RIGHT) / 2
    drawn.append(
        f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(curve.x_label)}</text>'
    )
    described = f"{curve.title}: {curve.y_label} over {curve.x_label}"
    caption = f"<figcaption>{escape(curve.title)} <small>{escape(curve.y_label)}</small></figcaption>"
    chart = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(described)}">{"".join(drawn)}</svg>'
    return f'<figure class="curve">{caption}{chart}</figure>'


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    group = -(-len(points) // POINTS) or 1
    runs = [points[start : start + group] for start in range(0, len(points), group)]
    return [(sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs]


def _axis(values: list[float]) -> list[float]:
    """Up to eight round numbers that enclose `values`."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (step * factor) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def _x(value: float, ticks: list[float]) -> float:
    return LEFT + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, ticks: list[float]) -> float:
    return HEIGHT - BOTTOM - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)


def _grid(xs: list[float], ys: list[float]) -> str:
    drawn = []
    for tick in ys:
        y = _y(tick, ys)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{_tick(tick)}</text>')
    for tick in xs:
        x = _x(tick, xs)
        drawn.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{_tick(tick)}</text>'
        )
    return "".join(drawn)


def _tick(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def _line(place: int, points: list[tuple[float, float]], xs: list[float], ys: list[float]) -> str:
    path = " ".join(f"{_x(x, xs):.1f},{_y(y, ys):.1f}" for x, y in points)
    return f'<polyline class="line line-{place % 4}" points="{path}"/>'


def _names(lines: dict[str, list[tuple[float, float]]], xs: list[float], ys: list[float]) -> list[str]:
    """Each line's name and last value behind the plot, at the height where the line ends."""
    labels = [textwrap.wrap(f"{plain(name)} {points[-1][1]:.3g}", LABEL_CHARACTERS) for name, points in lines.items()]
    ends = [_y(points[-1][1], ys) + 4 for points in lines.values()]
    drawn = []
    for place, (label, y) in enumerate(zip(labels, _apart(ends, [len(label) for label in labels]), strict=True)):
        x, top = WIDTH - RIGHT + 8, y - (len(label) - 1) * LABEL_HEIGHT
        spans = (
            f'<tspan x="{x}" y="{top + n * LABEL_HEIGHT:.1f}">{escape(text)}</tspan>' for n, text in enumerate(label)
        )
        drawn.append(f'<text class="name line-{place % 4}">{"".join(spans)}</text>')
    return drawn


def _apart(ends: list[float], label_lines: list[int]) -> list[float]:
    """Where each label's last line goes: at its end, moved up where two would overlap, all down if that is too high."""
    moved, ceiling = list(ends), math.inf
    for place in sorted(range(len(ends)), key=lambda place: -ends[place]):
        moved[place] = min(ends[place], ceiling)
        ceiling = moved[place] - label_lines[place] * LABEL_HEIGHT - LABEL_GAP
    down = max(0.0, TOP - ceiling)
    return [y + down for y in moved]
