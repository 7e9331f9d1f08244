"""How the report and the viewer show things: what a page is made of, and the templates that make HTML of it.

All HTML is in templates/*.html, which escape every value. `templates/documents.html` shows documents and drops, in the
report as in the viewer; `templates/figures.html` draws what a section of the report may hold.
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
from m3w.pipeline.filters.opt_out import OPTED_OUT
from m3w.pipeline.images.decode import FORMATS
from m3w.pipeline.images.forbidden import FORBIDDEN
from m3w.pipeline.inspect.charts import Bars, Curve, Histogram, Spark
from m3w.pipeline.inspect.wording import counted, number, percent, plain, short
from m3w.schemas.document import OK, InterleavedDocument

PACKAGE = "m3w.pipeline.inspect"
THUMBNAIL_SIDE = 320
"""Longest side of a picture in the report, in pixels."""
NOT_SHOWN = (OPTED_OUT, FORBIDDEN)
"""Reasons of drops whose pictures are never shown, even if the store still holds them."""
MOST_PIXELS = 64_000_000
MOST_URL_CHARACTERS = 400
Cell = str | int | float | Spark


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    kind: ClassVar[str] = "paragraph"
    text: str
    soft: bool = False
    """Printed small, as a note."""


@dataclass(frozen=True, kw_only=True)
class Code:
    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of words and numbers; numbers are aligned to the right, with separators for thousands."""

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    name: str = ""
    """CSS class of the box around it."""

    @property
    def numeric(self) -> list[bool]:
        """Of each column: whether it holds numbers alone."""
        return [all(isinstance(row[column], int | float) for row in self.rows) for column in range(len(self.header))]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    kind: ClassVar[str] = "pictures"
    pictures: Sequence[tuple[bytes, str]]
    """JPEG, PNG, GIF or WebP bytes, and the caption."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A chart under a title; cards flow in columns."""

    kind: ClassVar[str] = "card"
    title: str
    note: str = ""
    chart: Bars | Histogram | None = None


@dataclass(frozen=True, kw_only=True)
class ShownImage:
    """An image node. Without `src` it is not in the dataset, or its bytes cannot be decoded."""

    src: str | None
    words: str
    alt: str
    status: str
    size: tuple[int, int] | None = None
    """Width and height that the browser reserves before it has loaded the picture."""


@dataclass(frozen=True, kw_only=True)
class ShownNode:
    text: str = ""
    cut: int = 0
    """Characters of the text that are left out."""
    image: ShownImage | None = None


@dataclass(frozen=True, kw_only=True)
class ShownDocument:
    kind: ClassVar[str] = "document"
    title: str
    url: str
    metadata: str
    nodes: list[ShownNode]
    cut: int = 0
    """Nodes that are left out."""


@dataclass(frozen=True, kw_only=True)
class ShownDrop:
    threshold: str
    """`words = 12, allowed at least 50`; empty unless a rule dropped it."""
    url: str
    image_url: str
    src: str | None
    text: str
    cut: int = 0


@dataclass(frozen=True, kw_only=True)
class DropGroups:
    """Drops under headings: what they are, then the reason."""

    kind: ClassVar[str] = "drops"
    groups: Sequence[tuple[str, Sequence[tuple[str, Sequence[ShownDrop]]]]]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Cards or documents that flow in columns."""

    kind: ClassVar[str] = "columns"
    items: Sequence[Card | ShownDocument]


Item = Paragraph | Code | Table | Curve | Pictures | Columns | DropGroups


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report; everything in it is escaped."""

    title: str
    items: Sequence[Item] = field(default_factory=tuple)


def shown_document(
    document: InterleavedDocument,
    sources: Sequence[str | None],
    *,
    split: str = "",
    most_nodes: int | None = None,
    most_characters: int | None = None,
    sized: bool = False,
) -> ShownDocument:
    """`sources`: the URL of each image, as long as `document.images`; None where there is none to show."""
    nodes = []
    for text, image, src in list(zip(document.texts, document.images, sources, strict=True))[:most_nodes]:
        if image is None:
            shown = (text or "")[:most_characters]
            nodes.append(ShownNode(text=shown, cut=len(text or "") - len(shown)))
            continue
        alt = f"alt: {image.alt}" if image.alt and image.alt != image.caption else ""
        words = " — ".join(each[:most_characters] for each in (image.caption, alt) if each)
        size = (image.width, image.height) if sized and image.width and image.height else None
        status = image.status or "unknown"
        nodes.append(ShownNode(image=ShownImage(src=src, words=words, alt=image.alt or "", status=status, size=size)))
    return ShownDocument(
        title=document.title or document.url,
        url=document.url,
        metadata=_metadata(document, split),
        nodes=nodes,
        cut=len(document.texts) - len(nodes),
    )


def _metadata(document: InterleavedDocument, split: str) -> str:
    images = sum(image is not None and image.status == OK for image in document.images)
    words = document.signals.get("words") if document.signals else None
    parts = [
        document.language,
        counted(words, "word") if words is not None else "",
        counted(images, "image"),
        split,
        f"crawled {document.crawled_at:%Y-%m-%d}" if document.crawled_at else "",
    ]
    return " · ".join(part for part in parts if part)


def shown_drop(drop: Drop, src: str | None, *, most_characters: int | None = None) -> ShownDrop:
    """`src`: the URL of the dropped image, where it was fetched; it is not shown for reasons in `NOT_SHOWN`."""
    text = (drop.text or "")[:most_characters]
    return ShownDrop(
        threshold=threshold(drop),
        url=drop.url,
        image_url=(drop.image_url or "")[:MOST_URL_CHARACTERS],
        src=None if drop.reason in NOT_SHOWN else src,
        text=text,
        cut=len(drop.text or "") - len(text),
    )


def threshold(drop: Drop) -> str:
    """`words = 12, allowed 50 to 100,000`; empty unless a rule dropped it."""
    if drop.signal is None:
        return ""
    value = "no number" if drop.value is None or drop.value != drop.value else short(drop.value)
    if drop.min is not None and drop.max is not None:
        return f"{drop.signal} = {value}, allowed {number(drop.min)} to {number(drop.max)}"
    bound = f"at least {number(drop.min)}" if drop.min is not None else f"at most {number(drop.max or 0)}"
    return f"{drop.signal} = {value}, allowed {bound}"


def thumbnail_url(content: bytes | None) -> str | None:
    """The picture as a `data:` URL of at most `THUMBNAIL_SIDE` pixels; None if it cannot be decoded."""
    small = None if content is None else thumbnail(content, THUMBNAIL_SIDE)
    return None if small is None else "data:image/webp;base64," + base64.b64encode(small).decode()


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


def read_static(name: str) -> str:
    """A style sheet or script, as it lies in static/."""
    return files(PACKAGE).joinpath("static", name).read_text(encoding="utf-8")


def render(template: str, macro: str, *values: object) -> str:
    """The HTML that a macro of a template makes of `values`."""
    return str(getattr(templates().get_template(template).module, macro)(*values))


@cache
def templates() -> Environment:
    """The templates; every value is escaped, and a name that does not exist is an error."""
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "breakable": lambda text: re.split(r"(?<=[_./])(?=.)", text),
        "cell": lambda value: number(value) if isinstance(value, int) or abs(value) >= 1000 else f"{value:,.4g}",
        "number": number,
        "percent": lambda share: percent(share).replace(" ", "\N{NO-BREAK SPACE}"),
        "plain": plain,
        "thumbnail_url": thumbnail_url,
    }
    environment.tests |= {
        "spark": lambda value: isinstance(value, Spark),
        "web_page": lambda url: url.lower().startswith(("http://", "https://")),
    }
    return environment
