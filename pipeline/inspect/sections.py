"""What others add to the report: sections of tables, texts, pictures and curves. All of it is escaped there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Drawn:
    """A small picture in a cell: SVG of our own making, the one thing that is not escaped."""

    svg: str


Cell = str | int | float | Drawn


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of words and numbers; numbers are set to the right, with separators for thousands."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Lines over one axis, such as the loss over training steps."""

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    """Points (x, y) of each line by its name, in order of x."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures with what is to be said of each."""

    pictures: Sequence[tuple[bytes, str]]
    """JPEG, PNG, GIF or WebP bytes, and the caption."""


Item = Paragraph | Table | Curve | Pictures


@dataclass(frozen=True, kw_only=True)
class Section:
    title: str
    items: Sequence[Item] = field(default_factory=tuple)
