"""Examples of what a run dropped, by reason: from the samples in `drops/`, from the lists of copies, from the statuses
of images in the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.engine.drops import Drop, image_drop
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.folder import DatasetFolder
from m3w.pipeline.tables import COPIES, KEPT
from m3w.schemas.document import OK, VIDEO

PER_REASON = 3
PARTS = 64
"""Of a stage whose samples are looked through, and of shards whose images are."""
CHARACTERS = 20_000
REFERENCE_COLUMNS = ("document_id", "url", "language", "images")
COPY_COLUMNS = ["document_id", "url", "language", "texts"]

Examples = dict[tuple[str, str], list[Drop]]
"""By kind (`response`, `page`, `document`, `text`, `image_reference`, `image`) and reason."""


def dropped_examples(folder: DatasetFolder, count: int = PER_REASON) -> Examples:
    """At most `count` of each kind and reason, the same ones each time; none outside a run but images."""
    found: Examples = {}
    run = folder.run
    for drop in (*(_sampled(run) if run else ()), *(_copies(run, count) if run else ()), *_images(folder, count)):
        of_reason = found.setdefault((drop.kind, drop.reason), [])
        if len(of_reason) < count and drop not in of_reason:  # of a run, images are in samples and in the dataset
            of_reason.append(drop)
    return dict(sorted(found.items()))


def _sampled(run: Run) -> Iterator[Drop]:
    """What stages have written with `m3w.pipeline.engine.drops.DropSample`."""
    for folder in run.names("drops"):
        for name in run.names(folder)[:PARTS]:
            for row in _rows(run, name):
                yield Drop(**row)


def _copies(run: Run, count: int) -> Iterator[Drop]:
    for name in run.names(COPIES.folder)[:PARTS]:
        rows: dict[str, list[int]] = {}
        for row in _rows(run, name):
            rows.setdefault(row["reason"], []).append(row["row"])
        chosen = {place: reason for reason, places in rows.items() for place in sorted(places)[:count]}
        kept = KEPT.path(PurePath(name).stem)
        for place, row in _rows_at(run, kept, set(chosen)):
            text = "\n\n".join(text for text in row.pop("texts") if text)[:CHARACTERS]
            yield Drop(kind="document", reason=chosen[place], text=text, **row)


def _images(folder: DatasetFolder, count: int) -> Iterator[Drop]:
    """References in kept documents whose image is not in the dataset, each address once."""
    found: dict[str, set[str]] = {}
    shards = [shard for split in folder.manifest.splits.values() for shard in split.documents]
    for shard in shards[:PARTS]:
        for batch in folder.columns(shard.path, REFERENCE_COLUMNS, rows=1000):
            for row in batch.to_pylist():
                for image in row["images"]:
                    status = (image or {}).get("status")
                    if status in (None, OK, VIDEO):
                        continue
                    of_status = found.setdefault(status, set())
                    if len(of_status) < count and image["url"] not in of_status:
                        of_status.add(image["url"])
                        yield image_drop(row, image, status)


def _rows(run: Run, name: str) -> list[dict[str, Any]]:
    with run.fs.open(run.full(name), "rb") as file:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def _rows_at(run: Run, name: str, places: set[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    if not places or not run.exists(name):
        return
    first = 0
    with run.fs.open(run.full(name), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1000, columns=COPY_COLUMNS):
            for place in sorted(place for place in places if first <= place < first + batch.num_rows):
                yield place, batch.slice(place - first, 1).to_pylist()[0]
            first += batch.num_rows
