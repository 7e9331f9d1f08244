"""Examples to look at: documents of a dataset and, in a run, what its stages dropped and the images it fetched."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.engine.drops import DROPS, Drop, image_drop
from m3w.pipeline.engine.run import Run
from m3w.pipeline.filters.signals import DATASET_SCHEMA
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.inspect.figures import Exit, Step
from m3w.pipeline.inspect.funnel import steps_by_unit
from m3w.pipeline.tables import COPIES, IMAGE_RESULTS, KEPT
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import Dataset
from m3w.schemas.document import OK, VIDEO, InterleavedDocument

ROWS = 16
"""Rows read at a time, since each brings its images."""
MOST_PARTS = 64
"""Parts of a stage, and shards, that are searched for drops and images."""
MOST_CHARACTERS = 20_000
REFERENCE_COLUMNS = ("document_id", "url", "language", "images")
COPY_COLUMNS = ["document_id", "url", "language", "texts"]
KINDS_OF_UNIT = {
    "responses": ("response",),
    "pages": ("page",),
    "text_nodes": ("text",),
    "image_references": ("image_reference", "image"),
    "image_urls": ("image",),
    "sequence_images": ("image",),
}
"""Kinds of `Drop` by what a stage counts; of any other unit `document`."""


def run_of(dataset: Dataset) -> Run | None:
    """The run that the dataset lies in; None for a copy of a dataset alone."""
    try:
        return Run.open(posixpath.dirname(dataset.path.rstrip("/")) or ".")
    except InputError:
        return None


def recipe_of(dataset: Dataset) -> str | None:
    """The frozen recipe of the run that the dataset lies in, as YAML; None if there is none."""
    path = posixpath.join(posixpath.dirname(dataset.root.rstrip("/")), "recipe.yaml")
    try:
        content: bytes = dataset.fs.cat_file(path)
    except OSError:
        return None
    return content.decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class Example:
    document: InterleavedDocument
    image_bytes: list[bytes | None]
    """As long as the document's images; None where there is no image with bytes."""


def example_documents(dataset: Dataset, count: int) -> list[Example]:
    """`count` documents at even distances over all shards; the same ones each time."""
    documents = dataset.documents
    count = min(count, documents)
    wanted = {number * documents // count for number in range(count)}
    examples: list[Example] = []
    first = 0
    for shard in dataset.document_shards:
        rows = {row - first for row in wanted if first <= row < first + shard.documents}
        first += shard.documents
        if rows:
            with dataset.open_parquet(shard.path) as file:
                for row in read_rows(file, rows):
                    document = InterleavedDocument.from_row(row)
                    examples.append(Example(document=document, image_bytes=row["image_bytes"]))
    return examples


def read_rows(file: pq.ParquetFile, wanted: Collection[int]) -> Iterator[dict[str, Any]]:
    """The rows of these numbers, in order. Row groups without one are not read."""
    start = 0
    for group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        if any(start <= row < stop for row in wanted):
            batches = file.iter_batches(batch_size=ROWS, row_groups=[group], columns=DATASET_SCHEMA.names)
            yield from (row for _, row in _rows_of(batches, wanted, start))
        start = stop


def _rows_of(
    batches: Iterator[pa.RecordBatch], wanted: Collection[int], start: int = 0
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of the wanted rows; the first row of the batches has the number `start`."""
    for batch in batches:
        for row in sorted(row for row in wanted if start <= row < start + batch.num_rows):
            yield row, batch.slice(row - start, 1).to_pylist()[0]
        start += batch.num_rows


DropsByReason = dict[tuple[str, str, str], list[Drop]]
"""Drops by stage (empty for images), kind (`response`, `page`, `document`, `text`, `image_reference`, `image`) and
reason. `fetch` decides on images and later stages note it, so of an image the stage says nothing."""


def example_drops(dataset: Dataset, run: Run | None, count: int) -> DropsByReason:
    """At most `count` of each stage, kind and reason, the same ones each time. Without a run there are images alone."""
    drops_by_reason: DropsByReason = {}
    drops = [*_kept_examples(run), *_copies(run, count)] if run else []
    for stage, drop in (*drops, *(("", drop) for drop in _images(dataset, count))):
        group = drops_by_reason.setdefault(("" if drop.kind == "image" else stage, drop.kind, drop.reason), [])
        if len(group) < count and drop not in group:  # an image may be in a stage's examples and in the dataset
            group.append(drop)
    return dict(sorted(drops_by_reason.items(), key=lambda item: (item[0][1:], item[0][0])))


def drops_of(drops_by_reason: DropsByReason, stage: str, unit: str, reason: str) -> list[Drop]:
    """Examples of what `stage` counts as `UNIT_dropped.REASON`."""
    kinds = KINDS_OF_UNIT.get(unit, ("document",))
    keys = [("" if kind == "image" else stage, kind, reason) for kind in kinds]
    return [drop for key in keys for drop in drops_by_reason.get(key, [])]


@dataclass(frozen=True, kw_only=True)
class DropReason:
    """One reason of a drop in the funnel, with examples of its drops."""

    step: Step
    exit: Exit
    drops: list[Drop]


def drop_reasons(dataset: Dataset, run: Run | None, count: int) -> list[DropReason]:
    """Every reason in the order of the funnel, each with at most `count` drops of each kind."""
    drops_by_reason = example_drops(dataset, run, count)
    return [
        DropReason(step=step, exit=each, drops=drops_of(drops_by_reason, step.stage, unit, each.reason))
        for unit, step in steps_by_unit(dataset.manifest.counts)
        for each in step.exits
        if each.kind == "dropped"
    ]


def _kept_examples(run: Run) -> Iterator[tuple[str, Drop]]:
    """What stages wrote with `m3w.pipeline.engine.drops.DropExamples`."""
    for folder in run.names(DROPS.folder):
        for name in run.names(folder)[:MOST_PARTS]:
            for row in _read(run, name):
                yield PurePath(folder).name, Drop(**row)


def _copies(run: Run, count: int) -> Iterator[tuple[str, Drop]]:
    """Duplicates, which `unique` drops."""
    for name in run.names(COPIES.folder)[:MOST_PARTS]:
        by_reason: dict[str, list[int]] = {}
        for row in _read(run, name):
            by_reason.setdefault(row["reason"], []).append(row["row"])
        chosen = {row: reason for reason, rows in by_reason.items() for row in sorted(rows)[:count]}
        kept = KEPT.path(PurePath(name).stem)
        if not chosen or not run.exists(kept):
            continue
        with run.fs.open(run.full(kept), "rb") as file:
            batches = pq.ParquetFile(file).iter_batches(batch_size=1000, columns=COPY_COLUMNS)
            for number, row in _rows_of(batches, chosen):
                text = "\n\n".join(text for text in row.pop("texts") if text)[:MOST_CHARACTERS]
                yield "unique", Drop(kind="document", reason=chosen[number], text=text, **row)


def _images(dataset: Dataset, count: int) -> Iterator[Drop]:
    """References in kept documents whose image is not in the dataset, each URL once."""
    urls: dict[str, set[str]] = {}
    for shard in dataset.document_shards[:MOST_PARTS]:
        for batch in dataset.columns(shard.path, REFERENCE_COLUMNS, rows=1000):
            for row in batch.to_pylist():
                for image in row["images"]:
                    status = (image or {}).get("status")
                    if status in (None, OK, VIDEO):
                        continue
                    of_status = urls.setdefault(status, set())
                    if len(of_status) < count and image["url"] not in of_status:
                        of_status.add(image["url"])
                        yield image_drop(row, image, status)


def _read(run: Run, name: str) -> list[dict[str, Any]]:
    with run.fs.open(run.full(name), "rb") as file:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def image_store(run: Run) -> StoreReader:
    """The images that the run fetched, to be read by their location."""
    return StoreReader(lambda path: run.fs.open(run.full(path), "rb"))


def fetched_images(run: Run, urls: Collection[str]) -> dict[str, bytes]:
    """The bytes of the images at `urls`, as far as the run fetched them and still has them in its store."""
    contents: dict[str, bytes] = {}
    with image_store(run) as store:
        for name in run.names(IMAGE_RESULTS.folder)[:MOST_PARTS]:
            with run.fs.open(run.full(name), "rb") as file:
                results = pq.read_table(file, columns=["url", "location"])
            wanted = pc.is_in(results["url"], value_set=pa.array(sorted(urls), pa.string()))
            for row in results.filter(wanted).to_pylist():
                if row["location"] is not None and row["url"] not in contents:
                    with suppress(OSError):  # a store that was removed costs its pictures, not the report
                        contents[row["url"]] = store.read(row["location"])
    return contents
