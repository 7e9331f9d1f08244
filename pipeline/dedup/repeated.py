"""Stage `repeated`: keys of the paragraphs and image addresses that too many documents have, by part.

Counted over the documents that `deduplicate` leaves: a page that was crawled twenty times makes nothing frequent.
Skipped where the recipe asks for neither. Two shuffles: by key, then by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.dedup.copies import groups_for
from m3w.pipeline.dedup.repetition import by_key, count, too_frequent
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.parquet import rows_if_there
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.shuffle import Rows

KEYS_A_DOCUMENT = 20
"""About how many paragraphs and image addresses a document has."""
COLUMNS = ["url", "texts", "images"]


def grouping(fingerprint: str, switches: Duplicates, documents: int) -> Grouping:
    """The grouping of paragraphs and image addresses; `documents` is about how many documents there are."""
    groups = groups_for(documents * KEYS_A_DOCUMENT)

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        found = (row for row, reason in documents_and_reasons(run, entry.part, COLUMNS) if reason is None)
        return by_key(count(found, switches), entry.part, groups)

    def steps(rows: Rows) -> Rows:
        return rows.by_group(too_frequent)

    return Grouping(
        name="repeated", fingerprint=fingerprint, rows=rows, steps=steps, gather=_keys, folder="duplicates/repeated"
    )


def _keys(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["key"]).sort_by("key"), {}


def documents_and_reasons(
    run: Run, part: str, columns: list[str] | None = None
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The part's kept documents in order, each with the reason why `deduplicate` drops it, or None."""
    dropped = reasons_by_row(run, part)
    number = 0
    with run.fs.open(run.full(f"documents/kept/{part}.parquet"), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=500, columns=columns):
            for row in batch.to_pylist():
                yield row, dropped.get(number)
                number += 1


def reasons_by_row(run: Run, part: str) -> dict[int, str]:
    """Why `deduplicate` drops documents of the part, by their row in `documents/kept`."""
    return {row["row"]: row["reason"] for row in rows_if_there(run, f"duplicates/parts/{part}.parquet")}
