"""Stage `frequent`: keys of the fetched images that too many documents show, by part, in `images/frequent`.

Skipped where the recipe has no `duplicates.image_documents`. Shuffles: three for equal bytes or
hashes (by image, again to decide, by part), five for near ones.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.dedup.copies import groups_for
from m3w.pipeline.dedup.image_copies import RANK_BYTES, decided, image_key, shortened, spread, with_near
from m3w.pipeline.dedup.keys import age_and_id
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.parquet import rows_if_there
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.shuffle import Rows
from m3w.schemas.document import OK


def grouping(fingerprint: str, switches: Duplicates, references: int) -> Grouping:
    """The grouping of images by what they are; `references` is about how many image references there are."""
    most, distance = switches.image_documents, switches.image_distance
    assert most is not None
    groups = groups_for(references)

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        shown = sorted(_shown(run, entry.part, by_look=distance is not None))
        width = 32 if distance is None else 8
        columns = {
            "key": pa.array([key for key, _ in shown], pa.binary(width)),
            "rank": pa.array([rank for _, rank in shown], pa.binary(RANK_BYTES)),
            "part": pa.array([entry.part] * len(shown), pa.string()),
        }
        return spread(groups)(pa.table(columns))

    def steps(rows: Rows) -> Rows:
        rows = rows.by_group(shortened(most))
        if distance:
            rows = with_near(rows, distance, most, references, groups)
        return rows.map(spread(groups)).by_group(decided(most, switches.image_excess == "keep_first"))

    return Grouping(
        name="frequent", fingerprint=fingerprint, rows=rows, steps=steps, gather=_sorted, folder="images/frequent"
    )


def _shown(run: Run, part: str, *, by_look: bool) -> set[tuple[bytes, bytes]]:
    """Each image that a document of the part shows, with the document's rank."""
    links = {row["url"]: row for row in rows_if_there(run, f"images/links/{part}.parquet") if row["status"] == OK}
    columns = ["document_id", "crawled_at", "images.list.element.url", "images.list.element.status"]
    shown = set()
    with run.fs.open(run.full(f"documents/unique/{part}.parquet"), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=500, columns=columns):
            times = pc.cast(batch["crawled_at"], pa.int64()).to_pylist()
            for row, time in zip(batch.to_pylist(), times, strict=True):
                rank = age_and_id(time, row["document_id"])
                for image in row["images"]:
                    if image is not None and image["status"] is None:
                        link = links.get(without_fragment(image["url"]))
                        if link is not None:
                            shown.add((image_key(link, by_look=by_look), rank))
    return shown


def _sorted(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["key", "last"]).sort_by("key"), {}
