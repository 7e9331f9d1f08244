"""Stage `deduplicate`: the documents to drop as copies, by part, in `duplicates/parts`: `row` and `reason`.

Kind after kind, each a shuffle and each only if the recipe asks for it: `same_crawl_of_page` (always: two archive files
that hold one record would give two samples of one key), `same_page`, `same_text`, `same_images`, and last
`near_duplicate`, whose rounds are those of `m3w.pipeline.dedup.components`. Which copy stays:
`m3w.pipeline.dedup.keys`; the newest page and image set, the richest text.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.dedup.copies import NEAR, by_part, keep_first, near_copies
from m3w.pipeline.dedup.keys import ID, NEWEST, RICHEST_BYTES, ranks, to_array
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.shuffle import Rows

RICHEST = slice(0, RICHEST_BYTES)


def grouping(fingerprint: str, switches: Duplicates, parts: list[str], documents: int) -> Grouping:
    """The grouping of fingerprints; `parts` are all parts' names in order, `documents` is how many there are."""
    numbers = {name: number for number, name in enumerate(parts)}
    kinds = _kinds(switches)
    columns = [column for column, _, _ in kinds if column != "crawl"] + (["bands"] if switches.near_text else [])

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        with run.fs.open(run.full(f"duplicates/fingerprints/{entry.part}.parquet"), "rb") as file:
            found = pq.read_table(file)
        rank = ranks(found, numbers[entry.part])
        table = found.select([*columns, "reason"]).append_column("rank", to_array(rank))
        return table.append_column("crawl", to_array(rank[:, ID]))

    def steps(rows: Rows) -> Rows:
        for column, rank, reason in kinds:
            rows = keep_first(rows, column, rank, reason, documents)
        if not switches.near_text:
            return rows.map(by_part(parts))
        rows = rows.kept()
        near = near_copies(rows, documents, switches.minhash.bands)
        return rows.map(by_part(parts)).beside(near.map(by_part(parts, NEAR)))

    return Grouping(
        name="deduplicate",
        fingerprint=fingerprint,
        rows=rows,
        steps=steps,
        gather=_sorted,
        folder="duplicates/parts",
    )


def _kinds(switches: Duplicates) -> list[tuple[str, slice, str]]:
    """Column, rank and reason of each exact kind, in order."""
    kinds = [("crawl", NEWEST, "same_crawl_of_page")]
    if switches.same_page:
        kinds.append(("page", NEWEST, "same_page"))
    if switches.same_text:
        kinds.append(("text", RICHEST, "same_text"))
    if switches.same_images:
        kinds.append(("image_set", NEWEST, "same_images"))
    return kinds


def _sorted(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["row", "reason"]).sort_by("row"), {"copies": group.num_rows}
