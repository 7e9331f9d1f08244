"""A document: a page's main content as one list of nodes in page order, each a text or an image.

`texts` and `images` are parallel lists. Where `texts[i]` is a string, `images[i]` is None, and the
other way round, so the index of an image in the list is its position in the page. The Arrow schemas
below are the contract: `m3w.schemas.table.to_table` refuses rows that break them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import Field, asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

OK = "ok"
"""`ImageReference.status` of an image whose bytes are in the dataset; any other value says why they are not."""

VIDEO = "video"
"""`ImageReference.status` of a video on the page, which is a node but is not fetched."""


FETCHED = {"fetched": True}
"""Metadata of the fields of an image that are set by the fetch."""


@dataclass(slots=True, kw_only=True)
class ImageReference:
    """An image as its page describes it and, once fetched, the properties of the image itself."""

    url: str
    """Absolute; or a `data:` URL with the bytes, if the image is embedded in the page."""
    alt: str | None = None
    caption: str | None = None
    declared_width: int | None = None
    """CSS pixels, from the page."""
    declared_height: int | None = None
    sha256: str | None = field(default=None, metadata=FETCHED)
    """64 hex digits, of the bytes as stored; like all fields below, None if the image was not fetched."""
    mime: str | None = field(default=None, metadata=FETCHED)
    width: int | None = field(default=None, metadata=FETCHED)
    """Pixels of the stored image, after rotation as an image viewer would show it."""
    height: int | None = field(default=None, metadata=FETCHED)
    phash: str | None = field(default=None, metadata=FETCHED)
    """The perceptual hash, 16 hex digits."""
    status: str | None = field(default=None, metadata=FETCHED)
    """`ok`, or why the image is not in the dataset: `not_in_archive`, `too_small`, ..."""
    fetched_at: datetime | None = field(default=None, metadata=FETCHED)


@dataclass(slots=True, kw_only=True)
class InterleavedDocument:
    """The main content of one page, with its origin and its signals."""

    url: str
    title: str | None = None
    texts: list[str | None]
    images: list[ImageReference | None]
    document_id: str = ""
    """32 hex digits; see `document_id`. Set from `url` and `crawled_at` if not given."""
    crawled_at: datetime | None = None
    warc_path: str | None = None
    warc_offset: int | None = None
    warc_length: int | None = None
    """Bytes of the (compressed) WARC record, from `warc_offset`."""
    language: str | None = None
    """ISO 639-1 (or 639-3 for a language without a code there), as identified from the text."""
    language_score: float | None = None
    declared_language: str | None = None
    """As declared by the page, lower case: `en`, `pt-br`."""
    canonical_url: str | None = None
    published_at: str | None = None
    """ISO 8601, as declared by the page."""
    license: str | None = None
    """URL or name from `rel=license`."""
    opt_out: list[str] = field(default_factory=list)
    """Opt-out marks in the page itself, sorted: `noai`, `noimageai`, `noindex`, `noimageindex`, `tdm-reservation`."""
    signals: dict[str, float] = field(default_factory=dict)
    """Values by name, once measured."""

    def __post_init__(self) -> None:
        if not self.document_id:
            self.document_id = document_id(self.url, self.crawled_at)

    def row(self) -> dict[str, Any]:
        """The document as a row of `document_schema`."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> InterleavedDocument:
        """The document in a row of `document_schema`; a column of image bytes is ignored."""
        values = {name: value for name, value in row.items() if name != "image_bytes"}
        values["images"] = [None if image is None else ImageReference(**image) for image in row["images"]]
        return cls(**values)


def document_id(url: str, crawled_at: datetime | None) -> str:
    """32 hex digits that identify the page at `url` as crawled at `crawled_at`, the same on every machine."""
    moment = crawled_at.astimezone(UTC).isoformat(timespec="microseconds") if crawled_at else ""
    return hashlib.sha256(f"{url}\n{moment}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


TIME = pa.timestamp("us", tz="UTC")

_ARROW = {"str": pa.string(), "int": pa.int32(), "datetime": TIME}


def _arrow_field(field: Field[Any]) -> pa.Field:
    """The column for a field of `ImageReference`, whose annotation is for example `str` or `int | None`."""
    kind, _, nullable = str(field.type).partition(" | ")
    return pa.field(field.name, _ARROW[kind], nullable=bool(nullable))


IMAGE_TYPE = pa.struct(map(_arrow_field, fields(ImageReference)))
"""An `ImageReference` as a row."""

FETCHED_FIELDS = tuple(field.name for field in fields(ImageReference) if field.metadata.get("fetched"))
"""The fields of an image that are set by the fetch; the others come from the page."""


def document_schema(signals: Sequence[str]) -> pa.Schema:
    """The schema of a document between stages, without image bytes. `signals`: their names, in order."""
    return pa.schema(
        [
            pa.field("document_id", pa.string(), nullable=False),
            pa.field("url", pa.string(), nullable=False),
            pa.field("title", pa.string()),
            pa.field("crawled_at", TIME),
            pa.field("warc_path", pa.string()),
            pa.field("warc_offset", pa.int64()),
            pa.field("warc_length", pa.int64()),
            pa.field("language", pa.string()),
            pa.field("language_score", pa.float32()),
            pa.field("declared_language", pa.string()),
            pa.field("canonical_url", pa.string()),
            pa.field("published_at", pa.string()),
            pa.field("license", pa.string()),
            pa.field("opt_out", pa.list_(pa.string())),
            pa.field("texts", pa.list_(pa.string()), nullable=False),
            pa.field("images", pa.list_(IMAGE_TYPE), nullable=False),
            pa.field("signals", pa.struct([pa.field(name, pa.float32()) for name in signals])),
        ]
    )


def dataset_schema(signals: Sequence[str]) -> pa.Schema:
    """The schema of a document of the finished dataset: `document_schema` and `image_bytes`.

    `image_bytes` is as long as `images`, with null at each position without an `ok` image.
    """
    return document_schema(signals).append(pa.field("image_bytes", pa.list_(pa.binary()), nullable=False))


ROW_GROUP_BYTES = 128 * 2**20
"""Largest row group of the finished dataset, so that nested column chunks stay far below 2 GB, where readers fail."""
