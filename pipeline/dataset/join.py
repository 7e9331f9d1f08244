"""Stage `join`: adds the results of their images to documents, applies the image rules, and splits the documents.

`documents` of `unique` = `documents` + `documents_dropped.REASON`. An image that breaks a rule of `rules.image` keeps
its position in the document, with the rule's name as its status; so does a copy, with its reason (see
`m3w.pipeline.dedup.image_copies`). Neither has bytes in the dataset. A document without an `ok` image is dropped. The
documents of each split are written to a separate table. The metadata of the ledger entry lists the runs of rows
("chunks") of at most a shard's size that `assemble` combines.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

from m3w.pipeline.crawl.urls import host_of, stable_number, without_fragment
from m3w.pipeline.dedup.evaluation import EvaluationImages
from m3w.pipeline.dedup.image_copies import FREQUENT_IMAGE, IN_EVALUATION_SET, ImageCopies, ImageCopySettings
from m3w.pipeline.dedup.repetition import REPEATED_IN_DOCUMENT
from m3w.pipeline.dedup.unique import FREQUENT_URL
from m3w.pipeline.engine.drops import DROPS, image_drop
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Flow, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.filters.consent import OPTED_OUT, OptOut
from m3w.pipeline.filters.filter import BLOCK_LIST_CAUSES, NO_IMAGE_LEFT
from m3w.pipeline.filters.nodes import drop_of
from m3w.pipeline.filters.rules import Rule, first_broken
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.tables import (
    EVALUATION_IMAGES,
    FREQUENT_IMAGES,
    IMAGE_RESULTS,
    JOINED,
    SCORES,
    SPLITS,
    UNIQUE,
)
from m3w.schemas.document import FETCHED_FIELDS, OK, VIDEO, InterleavedDocument

MIB = 2**20
COUNTERS = {OK: "images", VIDEO: "videos"}


@settings
class JoinSettings(ImageCopySettings):
    formats: list[str] = key("rules.formats")
    rules: dict[str, Rule] = key("rules.image")
    opt_out: list[NamedFile] = key("consent.opt_out")
    evaluation_images: str | None = key("duplicates.evaluation.images")
    evaluation_distance: int = key("duplicates.evaluation.image_distance")
    score_signals: list[str] = key("scores.signals")
    shard_mib: int = key("dataset.shard_mib")
    validation_fraction: float = key("dataset.validation_fraction")


def check(join: JoinSettings) -> None:
    """Raises `InputError` for a list that cannot be read."""
    OptOut.from_files(join.opt_out)


@per_part(
    reads=[UNIQUE, IMAGE_RESULTS, FREQUENT_IMAGES.optional, SCORES.optional, EVALUATION_IMAGES.shared],
    writes=[*JOINED.values(), DROPS],
    settings=JoinSettings,
    version=3,
    check=check,
    units=("documents", "images"),
    flows=(
        Flow(
            unit="documents",
            entered_as="unique documents",
            entered=("unique", "documents"),
            kept_as="documents with an image",
            kept="documents",
        ),
        Flow(
            track="images",
            unit="image_references",
            entered_as="image references of unique documents",
            kept_as="images in the dataset",
            kept="images",
        ),
    ),
    causes={
        **BLOCK_LIST_CAUSES,
        "forbidden": "block_list",
        OPTED_OUT: "opt_out",
        IN_EVALUATION_SET: "evaluation",
        NO_IMAGE_LEFT: "left_over",
        **dict.fromkeys((FREQUENT_IMAGE, FREQUENT_URL, REPEATED_IN_DOCUMENT), "duplicate"),
        **dict.fromkeys(("declared_too_small", "robots_disallowed"), "fetch"),
    },
    carries="fetch",
)
def join(io: StageIO, join: JoinSettings) -> None:
    """Join the part's documents with their images' results."""
    results = _Results(io, join)
    copies = ImageCopies(join, results.phashes(), io.rows(FREQUENT_IMAGES), _evaluation_images(io, join))
    chunks = {split: Chunks(join.shard_mib * MIB) for split in SPLITS}
    with ExitStack() as files:
        writers = {split: files.enter_context(io.write(JOINED[split], like=UNIQUE)) for split in SPLITS}
        for row in io.rows(UNIQUE):
            locations = [results.fill(image, row["document_id"], i) for i, image in enumerate(row["images"])]
            copies.mark(row, locations)
            _count_images(io, row)
            if not any(locations):
                document = InterleavedDocument.from_row(row)
                io.drop("documents", drop_of("document", NO_IMAGE_LEFT, document, document_text(document), None))
                continue
            io.counters["documents"] += 1
            split = split_of(row["url"], join.validation_fraction)
            writers[split].write({**row, "locations": locations})
            chunks[split].add(_bytes(row, locations))
    io.metadata["chunks"] = {split: chunks[split].closed() for split in SPLITS}


def split_of(url: str, validation_fraction: float) -> str:
    """`validation` for the share `validation_fraction` of all hosts, chosen by a hash of the host's name, else `train`.

    So no site is in both.
    """
    return "validation" if stable_number(host_of(url)) / 2**32 < validation_fraction else "train"


def _evaluation_images(io: StageIO, join: JoinSettings) -> EvaluationImages | None:
    if join.evaluation_images is None:
        return None
    return EvaluationImages(io.read(EVALUATION_IMAGES)["hash"].to_numpy(), join.evaluation_distance)


def _count_images(io: StageIO, row: dict[str, Any]) -> None:
    """Count the images of a document; drop those that will not be in the dataset."""
    for image in filter(None, row["images"]):
        status = image["status"]
        if status in COUNTERS:
            io.counters[COUNTERS[status]] += 1
        else:
            io.drop("image_references", image_drop(row, image, status))


class Chunks:
    """Cuts a stream of documents into chunks of at most `max_bytes`; a larger document is a chunk of its own."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._chunks: list[dict[str, int]] = []

    def add(self, size: int) -> None:
        last = self._chunks[-1] if self._chunks else None
        if last is None or last["bytes"] + size > self._max_bytes:
            first = last["first"] + last["rows"] if last else 0
            last = {"first": first, "rows": 0, "bytes": 0}
            self._chunks.append(last)
        last["rows"] += 1
        last["bytes"] += size

    def closed(self) -> list[dict[str, int]]:
        return self._chunks


class _Results:
    """The results of the part's image URLs."""

    def __init__(self, io: StageIO, join: JoinSettings):
        self._rules, self._formats = join.rules, join.formats
        self._opt_out = OptOut.from_files(join.opt_out)
        self._by_url = {row["url"]: row for row in io.rows(IMAGE_RESULTS)}
        self._scores: dict[tuple[str, int], dict[str, float]] = {}
        self._no_scores = dict.fromkeys(join.score_signals, math.nan)
        for row in io.rows(SCORES):
            scores = self._scores.setdefault((row["document_id"], row["position"]), dict(self._no_scores))
            scores[row["signal"]] = math.nan if row["score"] is None else row["score"]

    def phashes(self) -> list[str]:
        return [row["phash"] for row in self._by_url.values() if row["phash"] is not None]

    def fill(self, image: dict[str, Any] | None, document_id: str, position: int) -> dict[str, Any] | None:
        """Set the image's fetched fields; returns its location in the store, or None if it is not in the dataset."""
        if image is None or image["status"] is not None:  # a video, or left out before the fetch
            return None
        result = self._by_url[without_fragment(image["url"])]
        image |= {name: result[name] for name in FETCHED_FIELDS}
        scores = self._scores.get((document_id, position), self._no_scores)
        reason = self._reason(result, scores) if result["status"] == OK else None
        image["status"] = reason or result["status"]
        location: dict[str, Any] | None = result["location"] if reason is None else None
        return location

    def _reason(self, result: dict[str, Any], scores: dict[str, float]) -> str | None:
        """The reason why a fetched image is not in the dataset; a list may have grown since the fetch."""
        if result["final_url"] is not None and self._opt_out.covers(result["final_url"]):
            return OPTED_OUT
        if self._formats and result["fetched_mime"].removeprefix("image/") not in self._formats:
            return "format"
        return first_broken(self._rules, result["signals"] | scores)


def _bytes(row: dict[str, Any], locations: list[dict[str, Any] | None]) -> int:
    texts = sum(len(text.encode("utf-8", "replace")) for text in row["texts"] if text is not None)
    images: int = sum(location["size"] for location in locations if location)
    return texts + images
