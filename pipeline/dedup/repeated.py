"""Stage `repeated`: finds the paragraphs and image URLs that too many documents contain; their keys, by part.

Only documents that `deduplicate` keeps are counted: a page that was crawled twenty times makes nothing frequent. The
stage runs if the recipe limits either. Two shuffles: by key, then by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from m3w.pipeline.dedup.copies import groups_for
from m3w.pipeline.dedup.repetition import RepetitionSettings, by_key, count, too_frequent
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.stage import Shuffle, grouped
from m3w.pipeline.engine.stage_io import PartFiles
from m3w.pipeline.tables import COPIES, KEPT, REPEATED

KEYS_A_DOCUMENT = 20
"""Approximate number of paragraphs and image URLs in a document."""
COLUMNS = ["url", "texts", "images"]


@grouped(
    reads=[KEPT, COPIES],
    writes=REPEATED,
    settings=RepetitionSettings,
    enabled=lambda repetitions: repetitions.finds_repetitions,
)
def repeated(inputs: Inputs, repetitions: RepetitionSettings) -> Shuffle:
    """Count the paragraphs and image URLs of the documents that are not copies."""
    groups = groups_for(inputs.rows(KEPT) * KEYS_A_DOCUMENT)

    def rows(part: PartFiles) -> pa.Table:
        documents = (row for row, reason in documents_and_reasons(part, COLUMNS) if reason is None)
        return by_key(count(documents, repetitions), part.part, groups)

    return Shuffle(map=rows, steps=lambda rows: rows.by_group(too_frequent), reduce=_keys)


def _keys(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["key"]).sort_by("key"), {}


def documents_and_reasons(
    part: PartFiles, columns: list[str] | None = None
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The part's kept documents in order, each with the reason why `deduplicate` drops it, or None."""
    copies = reasons_by_row(part)
    for number, row in enumerate(part.rows(KEPT, columns=columns)):
        yield row, copies.get(number)


def reasons_by_row(part: PartFiles) -> dict[int, str]:
    """Why `deduplicate` drops documents of the part, by their row in `documents/kept`."""
    return {row["row"]: row["reason"] for row in part.rows(COPIES)}
