"""A dataset's statistics from its manifest, its Parquet columns and the sequences' indexes; no image bytes are read.

Cost: one pass over texts, signals and a few short columns (about 2 KB per document) and over `members` of each tar's
index. pyarrow's kernels do the work on batches; docs/decisions/statistics.md compares them with other engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.pipeline.filters.signals import DOCUMENT, LANGUAGE_SCORE, Signal
from m3w.pipeline.inspect.accumulators import (
    BYTES,
    CHARACTERS,
    FEW,
    MANY,
    PIXELS,
    RATIOS,
    SHARES,
    TENTHS,
    Distinct,
    Numbers,
    Values,
)
from m3w.pipeline.inspect.figures import Repetition, SplitTotals, Statistics
from m3w.pipeline.inspect.funnel import faults, funnel, share
from m3w.pipeline.inspect.tokens import DOCUMENTS, TokenCount
from m3w.schemas.dataset import open_dataset
from m3w.schemas.document import OK
from m3w.schemas.manifest import Split

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


def statistics(dataset: str, *, tokenizer: str | None = None, tokenized: int = DOCUMENTS) -> Statistics:
    """The statistics of the dataset at `dataset`, or of the one in the run there, on any fsspec path.

    `tokenizer`, a folder or file of the library tokenizers, adds the tokens of about `tokenized` documents (0: of all).
    Raises `DatasetError` if there is no dataset, or a shard is missing or damaged; `InputError` for a wrong tokenizer.
    """
    opened = open_dataset(dataset)
    manifest = opened.manifest
    tokens = None if tokenizer is None else TokenCount(tokenizer, opened.documents, tokenized)
    documents, sequences = Documents(tokens), Sequences()
    for shard in opened.document_shards:
        for batch in opened.columns(shard.path, DOCUMENT_COLUMNS):
            documents.add(batch)
    for tar in opened.sequence_shards:
        for batch in opened.columns(tar.index, INDEX_COLUMNS):
            sequences.add(batch)
    numbers = {**documents.numbers, **documents.images.numbers, **sequences.numbers}
    values = {**documents.images.values, **documents.values, **sequences.values}
    per_host = documents.values["hosts"].per_value("Documents per host", "documents", FEW)
    return Statistics(
        dataset=opened.path,
        m3w_version=manifest.m3w_version,
        recipe_sha256=manifest.recipe_sha256,
        splits={name: _totals(split) for name, split in manifest.splits.items()},
        funnel=funnel(manifest.counts),
        faults=faults(manifest.counts),
        distributions={**{name: each.close() for name, each in numbers.items()}, "documents_per_host": per_host},
        frequencies={name: each.close() for name, each in values.items()},
        signals={name: each.close() for name, each in documents.signals.items()},
        repetition=documents.images.repetition(),
        tokens=None if tokens is None else tokens.close(),
    )


def _totals(split: Split) -> SplitTotals:
    return SplitTotals(
        documents=sum(shard.documents for shard in split.documents),
        images=sum(shard.images for shard in split.documents),
        sequences=sum(shard.samples for shard in split.sequences),
        sequence_images=sum(shard.images for shard in split.sequences),
        document_shards=len(split.documents),
        document_bytes=sum(shard.bytes for shard in split.documents),
        sequence_shards=len(split.sequences),
        sequence_bytes=sum(shard.bytes for shard in split.sequences),
    )


class Documents:
    """What is counted in the documents' Parquet files."""

    def __init__(self, tokens: TokenCount | None = None) -> None:
        self._tokens = tokens
        self.images = Images()
        position = "Position of images in their document (0 first node, 1 last)"
        self.numbers = {
            "words_per_document": Numbers("Words per document", "words", MANY),
            "images_per_document": Numbers("Images per document", "images", FEW),
            "text_nodes_per_document": Numbers("Text nodes per document", "text nodes", FEW),
            "image_nodes_per_document": Numbers("Image nodes per document", "image nodes", FEW),
            "characters_between_images": Numbers("Text between two images", "characters", CHARACTERS),
            "image_position": Numbers(position, "", TENTHS, whole=False),
        }
        self.values = {
            "languages": Values("Languages", "documents"),
            "hosts": Values("Hosts", "documents"),
            "crawl_years": Values("Crawl years", "documents"),
            "crawl_months": Values("Crawl months", "documents"),
            "opt_out": Values("Opt-out marks on pages", "documents"),
        }
        self.signals = {signal.name: _numbers_of(signal) for signal in (*DOCUMENT, LANGUAGE_SCORE)}

    def add(self, batch: pa.RecordBatch) -> None:
        signals, crawled_at = batch["signals"], batch["crawled_at"]
        for name, numbers in self.signals.items():
            numbers.add(batch[name] if name == LANGUAGE_SCORE.name else pc.struct_field(signals, name))
        self.values["languages"].add(batch["language"])
        self.values["hosts"].add(hosts(batch["url"]))
        self.values["crawl_years"].add(pc.year(crawled_at))
        self.values["crawl_months"].add(pc.strftime(pc.floor_temporal(crawled_at, unit="month"), "%Y-%m"))
        self.values["opt_out"].add(pc.list_flatten(batch["opt_out"]))
        layout = layout_of(batch["texts"], batch["images"])
        self.numbers["words_per_document"].add(pc.struct_field(signals, "words"))
        self.numbers["images_per_document"].add(layout.per_document(layout.is_ok))
        self.numbers["text_nodes_per_document"].add(layout.per_document(~layout.is_image))
        self.numbers["image_nodes_per_document"].add(layout.per_document(layout.is_image))
        self.numbers["characters_between_images"].add(layout.characters_between())
        self.numbers["image_position"].add(layout.relative_positions())
        self.images.add(pc.list_flatten(batch["images"]).filter(pa.array(layout.is_image)))
        if self._tokens is not None:
            self._tokens.add(batch["texts"], int(layout.characters.sum()))


def _numbers_of(signal: Signal) -> Numbers:
    if signal.unit == "share" or signal.unit.startswith("per "):
        return Numbers(signal.formula, signal.unit, SHARES, whole=False)
    whole = signal.unit in ("words", "characters", "sentences", "nodes", "signs", "times")
    whole = whole and not signal.name.startswith("mean_")
    return Numbers(signal.formula, signal.unit, MANY if signal.name in ("words", "characters") else FEW, whole=whole)


def hosts(urls: pa.Array) -> pa.Array:
    """The host of each URL, lower case; null where a URL names none."""
    parts = pc.extract_regex(urls, r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]+)")
    return pc.utf8_lower(pc.struct_field(parts, "host"))


class Images:
    """What is counted in image references: their status and, of images with bytes, size and format."""

    def __init__(self) -> None:
        self.numbers = {
            "image_width": Numbers("Image width", "pixels", PIXELS),
            "image_height": Numbers("Image height", "pixels", PIXELS),
            "image_aspect_ratio": Numbers("Aspect ratio (longer by shorter side)", "", RATIOS, whole=False),
        }
        self.values = {
            "image_status": Values("Status of image references", "image references"),
            "image_formats": Values("Image formats", "images"),
            "image_shapes": Values("Image shapes", "images"),
        }
        self._distinct = Distinct()

    def repetition(self) -> Repetition | None:
        images, distinct = self._distinct.total, self._distinct.count
        if not images:
            return None
        repeated = share(images - distinct, images)
        return Repetition(images=images, distinct=distinct, exact=self._distinct.exact, share=repeated)

    def add(self, references: pa.StructArray) -> None:
        self.values["image_status"].add(references.field("status"))
        images = references.filter(pc.fill_null(pc.equal(references.field("status"), OK), False))
        width, height = images.field("width"), images.field("height")
        self.numbers["image_width"].add(width)
        self.numbers["image_height"].add(height)
        self.numbers["image_aspect_ratio"].add(longer_by_shorter(width, height))
        self.values["image_formats"].add(images.field("mime"))
        self.values["image_shapes"].add(_shape(width, height))
        self._distinct.add(images.field("sha256"))


def longer_by_shorter(width: pa.Array, height: pa.Array) -> pa.Array:
    """The aspect ratio as the rules define it: the longer side by the shorter, at least 1; null without a size."""
    longer: Any = pc.cast(pc.max_element_wise(width, height, skip_nulls=False), pa.float64())
    shorter: Any = pc.cast(pc.min_element_wise(width, height, skip_nulls=False), pa.float64())
    return pc.divide(longer, shorter)


def _shape(width: pa.Array, height: pa.Array) -> pa.Array:
    wide, high = pc.greater(width, height), pc.less(width, height)
    return pc.if_else(wide, "landscape", pc.if_else(high, "portrait", "square"))


class Sequences:
    """What is counted in the indexes beside the tars."""

    def __init__(self) -> None:
        self.numbers = {
            "images_per_sequence": Numbers("Images per sequence", "images", FEW),
            "image_bytes": Numbers("Image file size", "bytes", BYTES),
        }
        self.values = {"sequences_by_images": Values("Sequences by their images", "sequences")}

    def add(self, batch: pa.RecordBatch) -> None:
        members = pc.list_flatten(batch["members"])
        images = pc.subtract(pc.list_value_length(batch["members"]), 1)
        self.numbers["images_per_sequence"].add(images)
        self.numbers["image_bytes"].add(members.filter(pc.not_equal(members.field("suffix"), "json")).field("size"))
        self.values["sequences_by_images"].add(images)


Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The nodes of a batch of documents, one document after the other."""

    documents: int
    document: Integers
    """The row of each node's document in the batch."""
    position: Integers
    """The index of each node in its document."""
    nodes: Integers
    """How many nodes each document has."""
    characters: Integers
    """The length of each node's text; 0 for an image."""
    is_image: NDArray[np.bool_]
    """Image references, whatever their status."""
    is_ok: NDArray[np.bool_]
    """Images with bytes in the dataset."""

    def per_document(self, chosen: NDArray[np.bool_]) -> pa.Array:
        return pa.array(np.bincount(self.document[chosen], minlength=self.documents))

    def relative_positions(self) -> pa.Array:
        """For each image: nodes before it by all other nodes of the document; 0 where there are none."""
        others = self.nodes[self.document] - 1
        return pa.array((self.position / np.maximum(others, 1))[self.is_ok])

    def characters_between(self) -> pa.Array:
        """Characters of text from each image to the next image of the same document."""
        before = np.concatenate([[0], np.cumsum(self.characters)])[:-1][self.is_ok]
        document = self.document[self.is_ok]
        same = document[1:] == document[:-1]
        return pa.array((before[1:] - before[:-1])[same])


def layout_of(texts: pa.ListArray, images: pa.ListArray) -> Layout:
    """The layout of documents from their parallel lists."""
    nodes = pc.list_value_length(texts).to_numpy().astype(np.int64)
    document = np.repeat(np.arange(len(nodes)), nodes)
    first = np.cumsum(nodes) - nodes
    references = pc.list_flatten(images)
    characters = pc.fill_null(pc.utf8_length(pc.list_flatten(texts)), 0)
    is_ok = pc.fill_null(pc.equal(pc.struct_field(references, "status"), OK), False)
    return Layout(
        documents=len(nodes),
        document=document,
        position=np.arange(len(document)) - first[document],
        nodes=nodes,
        characters=characters.to_numpy().astype(np.int64),
        is_image=pc.is_valid(references).to_numpy(zero_copy_only=False),
        is_ok=is_ok.to_numpy(zero_copy_only=False),
    )
