"""Stage `assemble`: writes the dataset's shards from joined documents and the image store, one part per shard.

The plan concatenates the chunks of all parts, by part name and row, and begins a new shard where one would exceed
`dataset.shard_mib`; so the shards depend only on the data. Each image's bytes are copied only once, here.
`images` = `sequence_images` + `sequence_images_dropped.REASON`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.engine.drops import DROPS, image_drop
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.output_files import OutputFile, TarWriter
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Flow, Part, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.tables import DOCUMENT_SHARDS, JOINED, SEQUENCE_INDEXES, SEQUENCE_SHARDS, SPLITS, STORE
from m3w.schemas.cutting import sequences_of
from m3w.schemas.document import OK, ROW_GROUP_BYTES, ImageReference, InterleavedDocument
from m3w.schemas.sequence import INDEX_SCHEMA, Sequence, encode_sample
from m3w.schemas.table import to_table

NO_TEXT_BESIDE = "no_text_beside"
"""Reason of an image in a run of nodes without a text, which is useless for training."""


@settings
class AssembleSettings:
    shard_mib: int = key("dataset.shard_mib")
    images_per_sequence: int = key("dataset.images_per_sequence")


def plan(assemble: AssembleSettings, inputs: Inputs) -> list[Part]:
    """One part for each shard of the dataset."""
    parts = []
    for number, split in enumerate(SPLITS):
        shards = _grouped(inputs, split, assemble.shard_mib * 2**20)
        for shard, chunks in enumerate(shards):
            described = [f"{c['path']} rows {c['first']}+{c['rows']} of sha256 {c['sha256']}" for c in chunks]
            files: list[list[str]] = [[], []]
            files[number] = sorted({chunk["path"] for chunk in chunks})
            name = f"{split}-{shard:05d}-of-{len(shards):05d}"
            parts.append(Part(name=name, inputs=described, files=files, params={"split": split, "chunks": chunks}))
    return parts


def _grouped(inputs: Inputs, split: str, max_bytes: int) -> list[list[dict[str, Any]]]:
    shards: list[list[dict[str, Any]]] = []
    size = max_bytes + 1
    outputs = inputs.outputs(JOINED[split])
    for part, entry in sorted(inputs.entries(JOINED[split]).items()):
        path = JOINED[split].path(part)
        for chunk in entry.metadata["chunks"][split]:
            if size + chunk["bytes"] > max_bytes:
                shards.append([])
                size = 0
            shards[-1].append({"path": path, "sha256": outputs[path].sha256, **chunk})
            size += chunk["bytes"]
    return shards


@per_part(
    reads=[*JOINED.values(), STORE.by_path],
    writes=[DOCUMENT_SHARDS, SEQUENCE_SHARDS, SEQUENCE_INDEXES, DROPS],
    settings=AssembleSettings,
    version=3,
    parts=plan,
    units=("documents", "images", "sequences"),
    flows=(
        Flow(
            track="images",
            unit="sequence_images",
            entered_as="images in the dataset",
            entered="images",
            kept_as="images in sequences",
            kept="sequence_images",
        ),
    ),
    causes={NO_TEXT_BESIDE: "left_over"},
)
def assemble(io: StageIO, assemble: AssembleSettings) -> None:
    """Write one shard: its documents, its sequences and their index."""
    joined = JOINED[io.params["split"]]
    with (
        io.write(DOCUMENT_SHARDS, like=joined, max_bytes=ROW_GROUP_BYTES) as documents,
        io.create(SEQUENCE_SHARDS) as tar_file,
        SequenceShardWriter(tar_file) as tar,
        StoreReader(lambda path: io.open(STORE, path)) as store,
    ):
        for row in _rows(io):
            image_bytes = [store.read(location) if location else None for location in row.pop("locations")]
            documents.write({**row, "image_bytes": image_bytes})
            io.counters["documents"] += 1
            io.counters["images"] += sum(content is not None for content in image_bytes)
            document = InterleavedDocument.from_row(row)
            written: list[ImageReference] = []
            for sequence in sequences_of(document, image_bytes, assemble.images_per_sequence):
                tar.write(sequence)
                io.counters["sequences"] += 1
                written += filter(None, sequence.images)
            io.counters["sequence_images"] += len(written)
            for image in _not_written(document, written):
                io.drop("sequence_images", image_drop(row, asdict(image), NO_TEXT_BESIDE))
    with io.write(SEQUENCE_INDEXES) as writer:
        writer.write_columns(tar.index())


def _not_written(document: InterleavedDocument, written: list[ImageReference]) -> list[ImageReference]:
    """The images of the document that are in none of its sequences."""
    kept = set(map(id, written))
    return [image for image in document.images if image and image.status == OK and id(image) not in kept]


def _rows(io: StageIO) -> Iterator[dict[str, Any]]:
    """The rows of the shard's chunks, in order."""
    joined = JOINED[io.params["split"]]
    for chunk in io.params["chunks"]:
        with io.open(joined, chunk["path"]) as file:
            batches = pq.ParquetFile(file).iter_batches(batch_size=200)
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
            yield from itertools.islice(rows, chunk["first"], chunk["first"] + chunk["rows"])


class SequenceShardWriter(TarWriter):
    """Writes sequences to a tar as webdataset reads it, and records the offsets of their members for the index."""

    def __init__(self, file: OutputFile):
        super().__init__(file)
        self._file = file
        self._rows: list[dict[str, Any]] = []

    def write(self, sequence: Sequence) -> None:
        start = self.end
        members = [
            {"suffix": suffix, "offset": self.add(f"{sequence.key}.{suffix}", content), "size": len(content)}
            for suffix, content in sorted(encode_sample(sequence).items())
        ]
        row = {"key": sequence.key, "document_id": sequence.document_id, "offset": start, "size": self.end - start}
        self._rows.append({**row, "members": members})
        self._file.rows += 1

    def index(self) -> pa.Table:
        return to_table(self._rows, INDEX_SCHEMA)
