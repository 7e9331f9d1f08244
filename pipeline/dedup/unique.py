"""Stage `unique`: kept documents without copies, and without what is repeated in the ones that stay.

What stands here goes on to the image fetch, so nothing is fetched for what is left out. `documents` of `filter` =
`documents` + `documents_dropped.REASON`; of the text nodes of documents that are no copies `text_nodes` stay and
`text_nodes_dropped.repeated_on_site` go. A document that loses text is measured again; one that loses all is
`only_repeated_text`. An image that is not to be fetched keeps its place, with the reason as its status: `frequent_url`
or `repeated_in_document`.
"""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.dedup.repeated import documents_and_reasons, reasons_by_row
from m3w.pipeline.dedup.repetition import REPEATED_IN_DOCUMENT, paragraph_keys, url_keys
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.attempt import Attempt, OutputFile
from m3w.pipeline.engine.drops import DropSample
from m3w.pipeline.engine.parquet import ROWS, RowWriter, rows_if_there
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.filters.nodes import TEXT, drop_of
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.recipe import Recipe
from m3w.schemas.document import InterleavedDocument

FREQUENT_URL = "frequent_url"
REPEATED_ON_SITE, ONLY_REPEATED_TEXT = "repeated_on_site", "only_repeated_text"


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/kept`, `duplicates/parts`, `duplicates/repeated`; write `documents/unique`.

    Copies have no sample: `duplicates/parts` names them all.
    """
    switches = recipe.duplicates
    with attempt.create(f"documents/unique/{part.name}.parquet") as file:
        if switches.finds_repetitions or switches.repeated_images:
            sample = DropSample(recipe.drops.keep_per_reason)
            _change(attempt, part.name, switches, file, sample)
            sample.write(attempt)
        else:
            _copy(attempt, part.name, file)


def _copy(attempt: Attempt, part: str, file: OutputFile) -> None:
    """Leave out what `deduplicate` drops and touch nothing else: no document becomes Python objects."""
    run = attempt.run
    reasons = reasons_by_row(run, part)
    start = 0
    with (
        run.fs.open(run.full(f"documents/kept/{part}.parquet"), "rb") as source,
        pq.ParquetWriter(file, DOCUMENT_SCHEMA, compression="zstd") as unique,
    ):
        for batch in pq.ParquetFile(source).iter_batches(batch_size=ROWS):
            of_batch = [reasons.get(row) for row in range(start, start + batch.num_rows)]
            kept = batch.filter(pa.array([reason is None for reason in of_batch], pa.bool_()))
            if kept.num_rows:
                unique.write_batch(kept)
            file.rows += kept.num_rows
            start += batch.num_rows
            for reason in of_batch:
                _count(attempt, reason)


def _count(attempt: Attempt, reason: str | None) -> None:
    attempt.counters["documents" if reason is None else f"documents_dropped.{reason}"] += 1


def _change(attempt: Attempt, part: str, switches: Duplicates, file: OutputFile, sample: DropSample) -> None:
    """Leave out, too, what is repeated in the documents that stay."""
    repeated = set()
    if switches.finds_repetitions:
        repeated = {row["key"] for row in rows_if_there(attempt.run, f"duplicates/repeated/{part}.parquet")}
    with RowWriter(file, DOCUMENT_SCHEMA) as unique:
        for row, reason in documents_and_reasons(attempt.run, part):
            kept = row if reason is None else None
            if kept is not None and switches.paragraph_documents is not None:
                kept = _without_paragraphs(kept, repeated, attempt, sample)
                reason = ONLY_REPEATED_TEXT if kept is None else None
            if kept is not None:
                _mark_images(kept, switches, repeated)
                unique.write(kept)
            _count(attempt, reason)


def _without_paragraphs(
    row: dict[str, Any], repeated: set[bytes], attempt: Attempt, sample: DropSample
) -> dict[str, Any] | None:
    """The document without the text nodes that its site repeats; None if no text is left of some."""
    keys = paragraph_keys(row)
    gone = [key is not None and key in repeated for key in keys]
    nodes = sum(text is not None for text in row["texts"])
    attempt.counters["text_nodes"] += nodes - sum(gone)
    if not any(gone):
        return row
    attempt.counters[f"text_nodes_dropped.{REPEATED_ON_SITE}"] += sum(gone)
    document = InterleavedDocument.from_row(row)
    for text in itertools.compress(document.texts, gone):
        sample.add(drop_of(TEXT, REPEATED_ON_SITE, document, text, None))
    for name in ("texts", "images"):
        row[name] = [node for node, is_gone in zip(row[name], gone, strict=True) if not is_gone]
    if not any(row["texts"]):
        sample.add(drop_of("document", ONLY_REPEATED_TEXT, document, document_text(document), None))
        return None
    document = InterleavedDocument.from_row(row)
    measure(document)
    return document.row()


def _mark_images(row: dict[str, Any], switches: Duplicates, repeated: set[bytes]) -> None:
    """Set the status of images that are not to be fetched."""
    seen: set[bytes] = set()
    for image, key in zip(row["images"], url_keys(row), strict=True):
        if key is None:
            continue
        if switches.image_url_documents is not None and key in repeated:
            image["status"] = FREQUENT_URL
        elif switches.repeated_images and key in seen:
            image["status"] = REPEATED_IN_DOCUMENT
        seen.add(key)
