"""Stage `assemble`: joined documents and the image store to the dataset's shards, one part a shard.

The plan puts the chunks of all parts one behind another, by part name and row, and closes a shard where it would pass
`dataset.shard_mib`; so the shards are a function of the data alone. Each image's bytes move once, here.
`images` = `sequence_images` + `sequence_images_dropped.REASON`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.dataset.join import joined_name
from m3w.pipeline.dataset.sequence_shard import SequenceShardWriter, write_index
from m3w.pipeline.dataset.split import SPLITS
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.drops import DropSample, image_drop
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.parquet import RowWriter
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.filters.signals import DATASET_SCHEMA
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.recipe import Recipe
from m3w.schemas.cutting import sequences_of
from m3w.schemas.document import OK, ROW_GROUP_BYTES, ImageReference, InterleavedDocument
from m3w.schemas.sequence import INDEX_SUFFIX

NO_TEXT_BESIDE = "no_text_beside"
"""Of an image in a run of nodes without a text, which trains nothing."""


def plan(joined: dict[str, LedgerEntry], shard_mib: int) -> list[Part]:
    """One part for each shard of the dataset."""
    parts = []
    for split in SPLITS:
        shards = _grouped(joined, split, shard_mib * 2**20)
        for number, chunks in enumerate(shards):
            name = f"{split}-{number:05d}-of-{len(shards):05d}"
            inputs = [f"{c['path']} rows {c['first']}+{c['rows']} of sha256 {c['sha256']}" for c in chunks]
            parts.append(Part(name=name, inputs=inputs, work={"chunks": chunks}))
    return parts


def _grouped(joined: dict[str, LedgerEntry], split: str, max_bytes: int) -> list[list[dict[str, Any]]]:
    shards: list[list[dict[str, Any]]] = []
    size = max_bytes + 1
    for part, entry in sorted(joined.items()):
        path = joined_name(part, split)
        sha256 = next(output.sha256 for output in entry.outputs if output.path == path)
        for chunk in entry.facts["chunks"][split]:
            if size + chunk["bytes"] > max_bytes:
                shards.append([])
                size = 0
            shards[-1].append({"path": path, "sha256": sha256, **chunk})
            size += chunk["bytes"]
    return shards


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Write `dataset/documents/NAME.parquet`, `dataset/sequences/NAME.tar` and the tar's index."""
    tar_name = f"dataset/sequences/{part.name}.tar"
    sample = DropSample(recipe.drops.keep_per_reason)
    with (
        attempt.create(f"dataset/documents/{part.name}.parquet") as documents_file,
        attempt.create(tar_name) as tar_file,
        RowWriter(documents_file, DATASET_SCHEMA, max_bytes=ROW_GROUP_BYTES) as documents,
        SequenceShardWriter(tar_file) as tar,
        StoreReader(attempt.run) as store,
    ):
        for row in _rows(attempt.run, part.work["chunks"]):
            image_bytes = [store.read(place) if place else None for place in row.pop("places")]
            documents.write({**row, "image_bytes": image_bytes})
            attempt.counters["documents"] += 1
            attempt.counters["images"] += sum(content is not None for content in image_bytes)
            document = InterleavedDocument.from_row(row)
            written: list[ImageReference] = []
            for sequence in sequences_of(document, image_bytes, recipe.dataset.images_per_sequence):
                tar.write(sequence)
                attempt.counters["sequences"] += 1
                written += filter(None, sequence.images)
            attempt.counters["sequence_images"] += len(written)
            for image in _left(document, written):
                attempt.counters[f"sequence_images_dropped.{NO_TEXT_BESIDE}"] += 1
                sample.add(image_drop(row, asdict(image), NO_TEXT_BESIDE))
    sample.write(attempt)
    with attempt.create(tar_name.removesuffix(".tar") + INDEX_SUFFIX) as index_file:
        write_index(index_file, tar.index())


def _left(document: InterleavedDocument, written: list[ImageReference]) -> list[ImageReference]:
    """The images of the document that stand in none of its sequences."""
    kept = set(map(id, written))
    return [image for image in document.images if image and image.status == OK and id(image) not in kept]


def _rows(run: Run, chunks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        with run.fs.open(run.full(chunk["path"]), "rb") as file:
            batches = pq.ParquetFile(file).iter_batches(batch_size=200)
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
            yield from itertools.islice(rows, chunk["first"], chunk["first"] + chunk["rows"])
