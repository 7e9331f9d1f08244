"""Stage `links`: what became of each image URL, brought to the parts whose documents show it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.fetch.host import REDIRECTED
from m3w.pipeline.tables import LINK_SCHEMA


def grouping(fingerprint: str) -> Grouping:
    """The grouping of the image index by document part: `images/links/PART.parquet`, sorted by URL."""
    return Grouping(name="links", fingerprint=fingerprint, rows=_rows, gather=_gather, folder="images/links")


def _rows(run: Run, entry: LedgerEntry) -> pa.Table:
    with run.fs.open(run.full(f"images/index/{entry.part}.parquet"), "rb") as file:
        index = pq.read_table(file)
    index = index.filter(
        pc.not_equal(index["status"], REDIRECTED)
    )  # a further row of the same URL says what came of it
    parents = pc.list_parent_indices(index["parts"].combine_chunks())
    groups = pc.list_flatten(index["parts"].combine_chunks())
    return index.select(LINK_SCHEMA.names).take(parents).append_column("group", groups)


def _gather(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(LINK_SCHEMA.names).sort_by("url").cast(LINK_SCHEMA), {}
