"""Plots the accuracies of benchmarks.fewshot over the number of shots, with error bars and chance as a dashed line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIZE, LEFT, TOP, RIGHT, BOTTOM = (1200, 720), 110, 90, 360, 90
INSET, BESIDE = 80, 26
"""Pixels between the frame and the first dots, and between dots of one number of shots, which would hide each other."""
SHOWN = {
    "ranking": ("ranked", (31, 88, 160)),
    "ranking_rices": ("ranked, RICES", (214, 96, 20)),
    "naming": ("named by generating", (30, 130, 76)),
    "ranking_wrong_image": ("ranked, another's picture", (120, 120, 130)),
    "naming_wrong_image": ("named, another's picture", (180, 150, 90)),
}
INK, GRID = (40, 40, 48), (226, 226, 232)
Rows = dict[str, dict[int, dict[str, Any]]]


class Plot:
    """Axes: shots in equal steps, per cent from 0 to 100."""

    def __init__(self, shots: list[int]) -> None:
        self.image = Image.new("RGB", SIZE, "white")
        self.pen, self.shots = ImageDraw.Draw(self.image), shots
        self.font, self.small = ImageFont.load_default(26), ImageFont.load_default(22)

    def x(self, shots: int) -> float:
        step = (SIZE[0] - LEFT - RIGHT - 2 * INSET) / max(1, len(self.shots) - 1)
        return LEFT + INSET + step * self.shots.index(shots)

    def y(self, percent: float) -> float:
        return SIZE[1] - BOTTOM - (SIZE[1] - TOP - BOTTOM) * percent / 100

    def axes(self, title: str) -> None:
        for percent in range(0, 101, 20):
            at = self.y(percent)
            self.pen.line((LEFT, at, SIZE[0] - RIGHT, at), fill=GRID, width=2)
            self.pen.text((LEFT - 14, at), f"{percent} %", fill=INK, font=self.small, anchor="rm")
        for shots in self.shots:
            self.pen.text((self.x(shots), SIZE[1] - BOTTOM + 16), str(shots), fill=INK, font=self.small, anchor="mt")
        self.pen.text(((LEFT + SIZE[0] - RIGHT) / 2, SIZE[1] - 20), "shots", fill=INK, font=self.small, anchor="mb")
        self.pen.text((LEFT, 24), title, fill=INK, font=self.font)

    def chance(self, percent: float) -> None:
        at, to = self.y(percent), SIZE[0] - RIGHT
        for start in range(LEFT, to, 18):
            self.pen.line((start, at, min(start + 9, to), at), fill=INK, width=2)

    def line(self, rows: dict[int, dict[str, Any]], colour: tuple[int, int, int], shift: float) -> None:
        """Dots with their spread, joined; `shift` keeps spreads of two lines apart."""
        points = [(self.x(shots) + shift, self.y(row["mean"])) for shots, row in sorted(rows.items())]
        self.pen.line(points, fill=colour, width=2)
        for (x, y), (_, row) in zip(points, sorted(rows.items()), strict=True):
            if row["spread"]:
                low, high = self.y(row["mean"] - row["spread"]), self.y(row["mean"] + row["spread"])
                self.pen.line((x, low, x, high), fill=colour, width=3)
                for at in (low, high):
                    self.pen.line((x - 8, at, x + 8, at), fill=colour, width=3)
            self.pen.ellipse((x - 7, y - 7, x + 7, y + 7), fill=colour)

    def names(self, ends: list[tuple[float, str, tuple[int, int, int]]]) -> None:
        """Beside the last dots, moved apart where they would lie on each other."""
        for at, (name, colour) in zip(_apart([end[0] for end in ends]), [end[1:] for end in ends], strict=True):
            self.pen.text((SIZE[0] - RIGHT + 28, at), name, fill=colour, font=self.small, anchor="lm")


def _apart(heights: list[float], least: float = 30) -> Iterator[float]:
    """Rising heights, each at least `least` below the one before."""
    last = -least
    for height in heights:
        last = max(height, last + least)
        yield last


def draw_plot(summaries: Rows, chance: float, title: str) -> bytes:
    """A PNG of the conditions in `SHOWN`."""
    plot = Plot(sorted({shots for name in SHOWN for shots in summaries[name]}))
    plot.axes(title)
    plot.chance(chance)
    ends = [(plot.y(chance), f"chance, {chance:.0f} %", INK)]
    for number, (name, (label, colour)) in enumerate(SHOWN.items()):
        plot.line(summaries[name], colour, shift=BESIDE * (number - 2))
        last = summaries[name][max(summaries[name])]["mean"]
        ends.append((plot.y(last), f"{label}, {last:.0f} %", colour))
    plot.names(sorted(ends))
    file = io.BytesIO()
    plot.image.save(file, "PNG")
    return file.getvalue()
