"""How the report and the viewer show things: the templates that make their HTML, and what callers add to the report.

All HTML is in templates/*.html, where every value is escaped. `documents.html` shows documents and drops, in the report
as in the viewer; `figures.html` draws tables and charts.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image, ImageOps

from m3w.pipeline.engine.drops import Drop
from m3w.pipeline.filters.consent import OPTED_OUT
from m3w.pipeline.images.decode import FORMATS
from m3w.pipeline.images.hashes import FORBIDDEN
from m3w.pipeline.inspect.charts import Bar, Curve, Histogram, Spark, value_bars
from m3w.pipeline.inspect.wording import (
    counted,
    kinds,
    number,
    percent,
    plain,
    repetition_summary,
    short,
    size,
    summary,
    tokens_summary,
)

PACKAGE = "m3w.pipeline.inspect"
THUMBNAIL_SIDE = 320
"""Longest side of a picture in the report, in pixels."""
MOST_PIXELS = 64_000_000
NOT_SHOWN = (OPTED_OUT, FORBIDDEN)
"""Reasons of drops whose pictures are never shown, even if the store still holds them."""
Cell = str | int | float | Spark


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of words and numbers; numbers are aligned to the right, with separators for thousands."""

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Of each column: whether it holds numbers alone."""
        return [all(isinstance(row[column], int | float) for row in self.rows) for column in range(len(self.header))]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    kind: ClassVar[str] = "pictures"
    pictures: Sequence[tuple[bytes, str]]
    """JPEG, PNG, GIF or WebP bytes, and the caption."""


Item = Paragraph | Table | Curve | Pictures


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report that a caller adds; each item is drawn by the macro of its kind in figures.html."""

    title: str
    items: Sequence[Item] = field(default_factory=tuple)


def threshold(drop: Drop) -> str:
    """`words = 12, allowed 50 to 100,000`; empty unless a rule dropped it."""
    if drop.signal is None:
        return ""
    value = "no number" if drop.value is None or drop.value != drop.value else short(drop.value)
    if drop.min is not None and drop.max is not None:
        return f"{drop.signal} = {value}, allowed {number(drop.min)} to {number(drop.max)}"
    bound = f"at least {number(drop.min)}" if drop.min is not None else f"at most {number(drop.max or 0)}"
    return f"{drop.signal} = {value}, allowed {bound}"


def thumbnail(content: bytes, side: int) -> bytes | None:
    """The picture as WebP, at most `side` pixels wide and high; None if it cannot be decoded.

    It is encoded again, so that no byte from the web reaches the browser's decoders.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            picture = ImageOps.exif_transpose(image)
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except Exception:  # Pillow raises OSError, ValueError, TypeError, struct.error, ... on damage; the page says so
        return None
    picture.thumbnail((side, side))
    encoded = io.BytesIO()
    picture.save(encoded, "WEBP", quality=82)
    return encoded.getvalue()


def thumbnail_url(content: bytes | None) -> str | None:
    """The picture as a `data:` URL of at most `THUMBNAIL_SIDE` pixels; None if it cannot be decoded."""
    small = None if content is None else thumbnail(content, THUMBNAIL_SIDE)
    return None if small is None else "data:image/webp;base64," + base64.b64encode(small).decode()


def read_static(name: str) -> str:
    """A style sheet or script, as it lies in static/."""
    return files(PACKAGE).joinpath("static", name).read_text(encoding="utf-8")


def render(template: str, macro: str, *values: object, **options: object) -> str:
    """The HTML that a macro of a template makes of `values`."""
    return str(getattr(templates().get_template(template).module, macro)(*values, **options))


@cache
def templates() -> Environment:
    """The templates; every value is escaped, and a name that does not exist is an error."""
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    functions = (counted, kinds, number, plain, repetition_summary, size, summary, threshold, thumbnail_url)
    environment.filters |= {function.__name__: function for function in (*functions, tokens_summary)}
    environment.filters |= {
        "breakable": lambda text: re.split(r"(?<=[_./])(?=.)", text),
        "cell": lambda value: number(value) if isinstance(value, int) or abs(value) >= 1000 else f"{value:,.4g}",
        "three_digits": lambda value: float(f"{value:.3g}"),
        "percent": lambda share: percent(share).replace(" ", "\N{NO-BREAK SPACE}"),
    }
    environment.tests |= {
        "spark": lambda value: isinstance(value, Spark),
        "web_page": lambda url: url.lower().startswith(("http://", "https://")),
    }
    classes = (Bar, Histogram, Spark, Table, value_bars, zip)
    environment.globals |= {each.__name__: each for each in classes} | {"NOT_SHOWN": NOT_SHOWN}
    return environment
