"""Stage `join`: documents with what became of their images; the image rules; the split.

`documents` of `unique` = `documents` + `documents_dropped.REASON`. An image that breaks a rule of `rules.image` keeps
its place in the document under the rule's name as its status, and a copy under its reason (see
`m3w.pipeline.dedup.image_copies`); neither has bytes in the dataset. A document without an `ok` image is dropped.
Writes
the documents of each split to a file of its own and, as facts of the ledger entry, the runs of rows ("chunks") of at
most a shard's size that `assemble` puts together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.dataset.split import SPLITS, split_of
from m3w.pipeline.dedup.image_copies import ImageCopies
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.drops import Drop, DropSample, image_drop
from m3w.pipeline.engine.parquet import RowWriter, rows_if_there
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.filters.consent import OPTED_OUT, OptOut
from m3w.pipeline.filters.nodes import drop_of
from m3w.pipeline.filters.rules import first_broken
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import JOINED_SCHEMA
from m3w.schemas.document import OK, VIDEO, InterleavedDocument

COUNTERS = {OK: "images", VIDEO: "videos"}
NO_IMAGE_LEFT = "no_image_left"
FILLED = ("status", "fetched_at", "sha256", "mime", "width", "height", "phash")


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/unique`, `images/links`, `images/frequent`, `evaluation/images`; write `documents/joined`."""
    links = _Links(attempt.run, part.name, recipe)
    copies = ImageCopies(attempt.run, part.name, recipe, links.phashes())
    chunks = {split: Chunks(recipe.dataset.shard_mib * 2**20) for split in SPLITS}
    sample = DropSample(recipe.drops.keep_per_reason)
    with ExitStack() as files:
        writers = {}
        for split in SPLITS:
            file = files.enter_context(attempt.create(joined_name(part.name, split)))
            writers[split] = files.enter_context(RowWriter(file, JOINED_SCHEMA))
        for row in _documents(attempt.run, part.name):
            places = [links.fill(image, row["document_id"], at) for at, image in enumerate(row["images"])]
            copies.mark(row, places)
            _note_images(attempt, row, sample)
            if not any(places):
                attempt.counters[f"documents_dropped.{NO_IMAGE_LEFT}"] += 1
                sample.add(_drop(row))
                continue
            attempt.counters["documents"] += 1
            split = split_of(row["url"], recipe.dataset.validation_fraction)
            writers[split].write({**row, "places": places})
            chunks[split].add(_bytes(row, places))
    sample.write(attempt)
    attempt.facts["chunks"] = {split: chunks[split].closed() for split in SPLITS}


def _note_images(attempt: Attempt, row: dict[str, Any], sample: DropSample) -> None:
    """Count them; those that will not be in the dataset are for the sample."""
    for image in filter(None, row["images"]):
        status = image["status"]
        if status in COUNTERS:
            attempt.counters[COUNTERS[status]] += 1
        else:
            attempt.counters[f"image_references_dropped.{status}"] += 1
            sample.add(image_drop(row, image, status))


def _drop(row: dict[str, Any]) -> Drop:
    document = InterleavedDocument.from_row(row)
    return drop_of("document", NO_IMAGE_LEFT, document, document_text(document), None)


def joined_name(part: str, split: str) -> str:
    return f"documents/joined/{part}.{split}.parquet"


class Chunks:
    """Cuts a stream of documents where a chunk would pass `max_bytes`; a larger document is a chunk of its own."""

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


class _Links:
    """What became of the part's image URLs."""

    def __init__(self, run: Run, part: str, recipe: Recipe):
        self._rules = recipe.rules
        self._opt_out = OptOut.from_files(recipe.consent.opt_out)
        self._by_url = {row["url"]: row for row in rows_if_there(run, f"images/links/{part}.parquet")}
        self._scores: dict[tuple[str, int], dict[str, float]] = {}
        self._no_scores = dict.fromkeys(recipe.scores.signals, math.nan)
        for row in rows_if_there(run, f"images/scores/{part}.parquet") if recipe.scores.scorers else ():
            scores = self._scores.setdefault((row["document_id"], row["position"]), dict(self._no_scores))
            scores[row["signal"]] = math.nan if row["score"] is None else row["score"]

    def phashes(self) -> list[str]:
        return [row["phash"] for row in self._by_url.values() if row["phash"] is not None]

    def fill(self, image: dict[str, Any] | None, document_id: str, position: int) -> dict[str, Any] | None:
        """Write what is known of the image into it; its place in the store if it is to be in the dataset."""
        if image is None or image["status"] is not None:  # a video, or left out before the fetch
            return None
        link = self._by_url[without_fragment(image["url"])]
        image |= {name: link[name] for name in FILLED}
        scores = self._scores.get((document_id, position), self._no_scores)
        reason = self._reason(link, scores) if link["status"] == OK else None
        image["status"] = reason or link["status"]
        place: dict[str, Any] | None = link["place"] if reason is None else None
        return place

    def _reason(self, link: dict[str, Any], scores: dict[str, float]) -> str | None:
        """Why an image that was fetched is not in the dataset; a list may have grown since it was."""
        if link["final_url"] is not None and self._opt_out.covers(link["final_url"]):
            return OPTED_OUT
        if self._rules.formats and link["fetched_mime"].removeprefix("image/") not in self._rules.formats:
            return "format"
        return first_broken(self._rules.image, link["signals"] | scores)


def _documents(run: Run, part: str) -> Iterator[dict[str, Any]]:
    with run.fs.open(run.full(f"documents/unique/{part}.parquet"), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=500):
            yield from batch.to_pylist()


def _bytes(row: dict[str, Any], places: list[dict[str, Any] | None]) -> int:
    texts = sum(len(text.encode("utf-8", "replace")) for text in row["texts"] if text is not None)
    images: int = sum(place["size"] for place in places if place)
    return texts + images
