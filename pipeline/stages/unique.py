"""Stage `unique`: kept documents without the copies that `deduplicate` found, each copy counted under its reason.

What stands here once goes on to the image fetch, so nothing is fetched for a document that is left out.
`documents` of `filter` = `documents` + `documents_dropped.REASON`.
"""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from pipeline.attempt import Attempt
from pipeline.executor import Part
from pipeline.parquet import RowWriter
from pipeline.recipe import Recipe
from pipeline.run import Run
from schemas.document import DOCUMENT_SCHEMA


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/kept`, `duplicates/parts`; write `documents/unique`."""
    run = attempt.run
    copies = {row["row"] for row in _rows_if_there(run, f"duplicates/parts/{part.name}.parquet")}
    number = 0
    with (
        run.fs.open(run.full(f"documents/kept/{part.name}.parquet"), "rb") as source,
        attempt.create(f"documents/unique/{part.name}.parquet") as file,
        RowWriter(file, DOCUMENT_SCHEMA) as unique,
    ):
        for batch in pq.ParquetFile(source).iter_batches(batch_size=500):
            for row in batch.to_pylist():
                if number not in copies:
                    unique.write(row)
                attempt.counters["documents_dropped.same_crawl_of_page" if number in copies else "documents"] += 1
                number += 1


def _rows_if_there(run: Run, name: str) -> list[dict[str, Any]]:
    """A grouping writes no file for a part that has nothing in it."""
    if not run.fs.exists(run.full(name)):
        return []
    with run.fs.open(run.full(name), "rb") as file:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows
