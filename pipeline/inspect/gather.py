"""What the Parquet columns of documents and the indexes of sequences say, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.filters.signals import DOCUMENT, LANGUAGE_SCORE, Signal
from m3w.pipeline.inspect.distinct import Distinct
from m3w.pipeline.inspect.distributions import (
    BYTES,
    CHARACTERS,
    FEW,
    MANY,
    PIXELS,
    RATIOS,
    SHARES,
    TENTHS,
    Numbers,
    hosts,
    longer_by_shorter,
)
from m3w.pipeline.inspect.figures import Repetition
from m3w.pipeline.inspect.funnel import share
from m3w.pipeline.inspect.nodes import Layout, layout_of
from m3w.pipeline.inspect.tokens import TokenCount
from m3w.pipeline.inspect.values import Values
from m3w.schemas.document import OK

DOCUMENT_COLUMNS = (
    "url",
    "crawled_at",
    "language",
    "language_score",
    "opt_out",
    "signals",
    "texts",
    *(f"images.list.element.{name}" for name in ("mime", "width", "height", "status", "sha256")),
)
INDEX_COLUMNS = ("members.list.element.suffix", "members.list.element.size")
Named = Iterator[tuple[str, Numbers]]


class Documents:
    """What the documents' Parquet files say."""

    def __init__(self, tokens: TokenCount | None = None) -> None:
        self._tokens = tokens
        self._images = Images()
        self.words = Numbers("Words per document", "words", MANY)
        self.images = Numbers("Images per document", "images", FEW)
        self.text_nodes = Numbers("Text nodes per document", "text nodes", FEW)
        self.image_nodes = Numbers("Image nodes per document", "image nodes", FEW)
        self.between = Numbers("Text between two images", "characters", CHARACTERS)
        self.position = Numbers("Position of images in their document (0 first node, 1 last)", "", TENTHS, whole=False)
        self.languages = Values("Languages", "documents")
        self.hosts = Values("Hosts", "documents")
        self.years = Values("Crawl years", "documents")
        self.months = Values("Crawl months", "documents")
        self.opt_out = Values("Opt-out marks on pages", "documents")
        self._signals = {signal.name: _numbers_of(signal) for signal in (*DOCUMENT, LANGUAGE_SCORE)}

    def numbers(self) -> Named:
        yield "words_per_document", self.words
        yield "images_per_document", self.images
        yield "text_nodes_per_document", self.text_nodes
        yield "image_nodes_per_document", self.image_nodes
        yield "characters_between_images", self.between
        yield "image_position", self.position
        yield from self._images.numbers()

    def values(self) -> Iterator[tuple[str, Values]]:
        yield from self._images.values()
        yield "languages", self.languages
        yield "hosts", self.hosts
        yield "crawl_years", self.years
        yield "crawl_months", self.months
        yield "opt_out", self.opt_out

    def signals(self) -> Named:
        yield from self._signals.items()

    def repetition(self) -> Repetition | None:
        return self._images.repetition()

    def add(self, batch: pa.RecordBatch) -> None:
        signals = batch["signals"]
        self.words.add(pc.struct_field(signals, "words"))
        for name, numbers in self._signals.items():
            numbers.add(batch[name] if name == LANGUAGE_SCORE.name else pc.struct_field(signals, name))
        self.languages.add(batch["language"])
        self.hosts.add(hosts(batch["url"]))
        self.years.add(pc.year(batch["crawled_at"]))
        self.months.add(pc.strftime(pc.floor_temporal(batch["crawled_at"], unit="month"), "%Y-%m"))
        self.opt_out.add(pc.list_flatten(batch["opt_out"]))
        layout = layout_of(batch["texts"], batch["images"])
        self._add_layout(layout)
        self._images.add(pc.list_flatten(batch["images"]).filter(pa.array(layout.is_image)))
        if self._tokens is not None:
            self._tokens.add(batch["texts"], int(layout.characters.sum()))

    def _add_layout(self, layout: Layout) -> None:
        self.text_nodes.add(layout.per_document(~layout.is_image))
        self.image_nodes.add(layout.per_document(layout.is_image))
        self.images.add(layout.per_document(layout.is_ok))
        self.between.add(layout.characters_between())
        self.position.add(layout.relative_positions())


class Images:
    """What the references say, and of images with bytes what these are."""

    def __init__(self) -> None:
        self.width = Numbers("Image width", "pixels", PIXELS)
        self.height = Numbers("Image height", "pixels", PIXELS)
        self.aspect_ratio = Numbers("Aspect ratio (longer by shorter side)", "", RATIOS, whole=False)
        self.status = Values("Status of image references", "image references")
        self.formats = Values("Image formats", "images")
        self.shapes = Values("Image shapes", "images")
        self._distinct = Distinct()

    def numbers(self) -> Named:
        yield "image_width", self.width
        yield "image_height", self.height
        yield "image_aspect_ratio", self.aspect_ratio

    def values(self) -> Iterator[tuple[str, Values]]:
        yield "image_status", self.status
        yield "image_formats", self.formats
        yield "image_shapes", self.shapes

    def repetition(self) -> Repetition | None:
        images, distinct = self._distinct.total, self._distinct.count
        if not images:
            return None
        repeated = share(images - distinct, images)
        return Repetition(images=images, distinct=distinct, exact=self._distinct.exact, share=repeated)

    def add(self, references: pa.StructArray) -> None:
        self.status.add(references.field("status"))
        images = references.filter(pc.fill_null(pc.equal(references.field("status"), OK), False))
        width, height = images.field("width"), images.field("height")
        self.formats.add(images.field("mime"))
        self.width.add(width)
        self.height.add(height)
        self.aspect_ratio.add(longer_by_shorter(width, height))
        self.shapes.add(_shape(width, height))
        self._distinct.add(images.field("sha256"))


def _shape(width: pa.Array, height: pa.Array) -> pa.Array:
    wide, high = pc.greater(width, height), pc.less(width, height)
    return pc.if_else(wide, "landscape", pc.if_else(high, "portrait", "square"))


def _numbers_of(signal: Signal) -> Numbers:
    if signal.unit == "share":
        return Numbers(signal.formula, "share", SHARES, whole=False)
    whole = signal.unit in ("words", "characters", "sentences", "nodes", "signs", "times")
    whole = whole and not signal.name.startswith("mean_")
    if signal.unit.startswith("per "):
        return Numbers(signal.formula, signal.unit, SHARES, whole=False)
    return Numbers(signal.formula, signal.unit, MANY if signal.name in ("words", "characters") else FEW, whole=whole)


class Sequences:
    """What the indexes beside the tars say."""

    def __init__(self) -> None:
        self.images = Numbers("Images per sequence", "images", FEW)
        self.bytes = Numbers("Image file size", "bytes", BYTES)
        self.shares = Values("Sequences by their images", "sequences")

    def numbers(self) -> Named:
        yield "images_per_sequence", self.images
        yield "image_bytes", self.bytes

    def values(self) -> Iterator[tuple[str, Values]]:
        yield "sequences_by_images", self.shares

    def add(self, batch: pa.RecordBatch) -> None:
        lists = batch["members"]
        members = pc.list_flatten(lists)
        is_image = pc.not_equal(members.field("suffix"), "json")
        counts = pc.subtract(pc.list_value_length(lists), 1)
        self.images.add(counts)
        self.shares.add(counts)
        self.bytes.add(members.filter(is_image).field("size"))
