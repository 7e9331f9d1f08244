"""Stage `unique`: kept documents without copies, and without what is repeated in the ones that stay.

What stands here goes on to the image fetch, so nothing is fetched for what is left out. `documents` of `filter` =
`documents` + `documents_dropped.REASON`; `text_nodes` = `text_nodes_kept` + `text_nodes_dropped.repeated_on_site`. A
document that loses text is measured again; one that loses all is `only_repeated_text`. An image that is not to be
fetched keeps its place, with the reason as its status: `frequent_url` or `repeated_in_document`.
"""

from __future__ import annotations

from typing import Any

from pipeline.attempt import Attempt
from pipeline.dedup.repetition import REPEATED_IN_DOCUMENT, paragraph_keys, url_keys
from pipeline.executor import Part
from pipeline.parquet import RowWriter, rows_if_there
from pipeline.recipe import Duplicates, Recipe
from pipeline.signals.document import measure
from pipeline.stages.repeated import documents_and_reasons
from schemas.document import DOCUMENT_SCHEMA, InterleavedDocument

FREQUENT_URL = "frequent_url"


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/kept`, `duplicates/parts`, `duplicates/repeated`; write `documents/unique`."""
    run, switches = attempt.run, recipe.duplicates
    repeated = set()
    if switches.finds_repetitions:
        repeated = {row["key"] for row in rows_if_there(run, f"duplicates/repeated/{part.name}.parquet")}
    with (
        attempt.create(f"documents/unique/{part.name}.parquet") as file,
        RowWriter(file, DOCUMENT_SCHEMA) as unique,
    ):
        for row, reason in documents_and_reasons(run, part.name):
            kept = row if reason is None else None
            if kept is not None and switches.paragraph_documents is not None:
                kept = _without_paragraphs(kept, repeated, attempt)
                reason = "only_repeated_text" if kept is None else None
            if kept is not None:
                _mark_images(kept, switches, repeated)
                unique.write(kept)
            attempt.counters["documents" if reason is None else f"documents_dropped.{reason}"] += 1


def _without_paragraphs(row: dict[str, Any], repeated: set[bytes], attempt: Attempt) -> dict[str, Any] | None:
    """The document without the text nodes that its site repeats; None if no text is left of some."""
    keys = paragraph_keys(row)
    gone = [key is not None and key in repeated for key in keys]
    nodes = sum(text is not None for text in row["texts"])
    attempt.counters["text_nodes"] += nodes
    attempt.counters["text_nodes_kept"] += nodes - sum(gone)
    if not any(gone):
        return row
    attempt.counters["text_nodes_dropped.repeated_on_site"] += sum(gone)
    for name in ("texts", "images"):
        row[name] = [node for node, is_gone in zip(row[name], gone, strict=True) if not is_gone]
    if not any(row["texts"]):
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
