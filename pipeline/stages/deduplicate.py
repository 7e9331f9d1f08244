"""Stage `deduplicate`: the same crawl of the same page, met twice, is one document.

The id of a document is a hash of URL and crawl time, so equal ids are one page that two archive files hold (or one file
that was given twice). The copy that comes first by part and row is kept. Two groupings: all ids by a prefix of the id,
then the copies to drop by the part that they lie in.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.grouping import Grouping
from pipeline.ledger import LedgerEntry
from pipeline.run import Run

ROWS_PER_GROUP = 1_000_000


def find(fingerprint: str, documents: int) -> Grouping:
    """The grouping of all document ids; `documents` is about how many there are."""
    groups = max(1, -(-documents // ROWS_PER_GROUP))

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        with run.fs.open(run.full(f"documents/kept/{entry.part}.parquet"), "rb") as file:
            ids = pq.read_table(file, columns=["document_id"])["document_id"]
        count = len(ids)
        group = [f"{int(name[:8], 16) % groups:05d}" for name in ids.to_pylist()]
        columns = {"group": pa.array(group, pa.string()), "document_id": ids, "part": [entry.part] * count}
        return pa.table({**columns, "row": range(count)}, schema=_FOUND)

    return Grouping(
        name="deduplicate", fingerprint=fingerprint, rows=rows, gather=_later_copies, folder="duplicates/found"
    )


_FOUND = pa.schema([("group", pa.string()), ("document_id", pa.string()), ("part", pa.string()), ("row", pa.int64())])


def _later_copies(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    ordered = group.sort_by([("document_id", "ascending"), ("part", "ascending"), ("row", "ascending")])
    ids = ordered["document_id"].to_pylist()
    later = [i > 0 and ids[i] == ids[i - 1] for i in range(len(ids))]
    copies = ordered.filter(pa.array(later, pa.bool_()))
    return copies, {"copies": len(copies)}


def by_part(fingerprint: str) -> Grouping:
    """The grouping of the copies to drop by their part: `duplicates/parts/PART.parquet` holds their rows."""

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        copies = [_read(run, output.path) for output in entry.outputs]
        found = pa.concat_tables([_FOUND.empty_table(), *copies])
        return pa.table({"group": found["part"], "row": found["row"]})

    return Grouping(
        name="duplicates", fingerprint=fingerprint, rows=rows, gather=_sorted_rows, folder="duplicates/parts"
    )


def _sorted_rows(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["row"]).sort_by("row"), {}


def _read(run: Run, name: str) -> pa.Table:
    with run.fs.open(run.full(name), "rb") as file:
        return pq.read_table(file)
