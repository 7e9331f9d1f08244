"""Stage `deduplicate`: finds the documents to drop as copies: for each part their rows in `documents/kept`, and why.

The kinds of copies are detected one after the other, each by a shuffle and only if the recipe enables it:
`same_crawl_of_page` (always: two archive files with the same record would give two sequences with the same key),
`same_page`, `same_text`, `same_images`, and last `near_duplicate`, in the rounds of `m3w.pipeline.dedup.components`. Of
copies the newest page, the newest set of images and the richest text are kept; see `m3w.pipeline.dedup.keys`.
"""

from __future__ import annotations

import pyarrow as pa

from m3w.pipeline.dedup.copies import NEAR, by_part, keep_first, near_copies
from m3w.pipeline.dedup.document_hashes import CopySettings
from m3w.pipeline.dedup.keys import ID, NEWEST, RICHEST_BYTES, ranks, to_array
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.shuffle import Rows
from m3w.pipeline.engine.stage import Shuffle, grouped
from m3w.pipeline.engine.stage_io import PartFiles
from m3w.pipeline.tables import COPIES, DOCUMENT_HASHES

RICHEST = slice(0, RICHEST_BYTES)


@grouped(reads=[DOCUMENT_HASHES], writes=COPIES, settings=CopySettings, version=2, cause="duplicate")
def deduplicate(inputs: Inputs, copies: CopySettings) -> Shuffle:
    """Find copies among the documents, kind by kind."""
    parts, documents = sorted(inputs.entries(DOCUMENT_HASHES)), inputs.rows(DOCUMENT_HASHES)
    numbers = {name: number for number, name in enumerate(parts)}
    kinds = _kinds(copies)
    columns = [column for column, _, _ in kinds if column != "crawl"] + (["bands"] if copies.near_text else [])

    def rows(part: PartFiles) -> pa.Table:
        hashes = part.read(DOCUMENT_HASHES)
        rank = ranks(hashes, numbers[part.part])
        table = hashes.select([*columns, "reason"]).append_column("rank", to_array(rank))
        return table.append_column("crawl", to_array(rank[:, ID]))

    def steps(rows: Rows) -> Rows:
        for column, rank, reason in kinds:
            rows = keep_first(rows, column, rank, reason, documents)
        if not copies.near_text:
            return rows.map(by_part(parts))
        rows = rows.kept()
        near = near_copies(rows, documents, copies.minhash.bands)
        return rows.map(by_part(parts)).beside(near.map(by_part(parts, NEAR)))

    return Shuffle(map=rows, reduce=_sorted, steps=steps)


def _kinds(copies: CopySettings) -> list[tuple[str, slice, str]]:
    """Column, rank and reason of each kind of exact copies, in order."""
    kinds = [("crawl", NEWEST, "same_crawl_of_page")]
    if copies.same_page:
        kinds.append(("page", NEWEST, "same_page"))
    if copies.same_text:
        kinds.append(("text", RICHEST, "same_text"))
    if copies.same_images:
        kinds.append(("image_set", NEWEST, "same_images"))
    return kinds


def _sorted(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["row", "reason"]).sort_by("row"), {"copies": group.num_rows}
