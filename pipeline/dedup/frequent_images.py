"""Stage `frequent_images`: finds the fetched images that too many documents show; their keys, by part.

The stage runs if the recipe sets `duplicates.image_documents`. It needs three shuffles for equal bytes or hashes (by
image, again to decide, by part) and five for similar hashes.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.dedup.copies import groups_for
from m3w.pipeline.dedup.image_copies import RANK_BYTES, decided, image_key, shortened, spread, with_near
from m3w.pipeline.dedup.keys import age_and_id
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.shuffle import Rows
from m3w.pipeline.engine.stage import Shuffle, grouped
from m3w.pipeline.engine.stage_io import PartFiles
from m3w.pipeline.tables import FREQUENT_IMAGES, IMAGE_RESULTS, UNIQUE
from m3w.schemas.document import OK


@settings
class FrequentImageSettings:
    most: int | None = key("duplicates.image_documents")
    excess: Literal["drop", "keep_first"] = key("duplicates.image_excess")
    distance: int | None = key("duplicates.image_distance")


@grouped(
    reads=[UNIQUE, IMAGE_RESULTS],
    writes=FREQUENT_IMAGES,
    settings=FrequentImageSettings,
    enabled=lambda images: images.most is not None,
)
def frequent_images(inputs: Inputs, images: FrequentImageSettings) -> Shuffle:
    """Group the images of documents by their bytes or perceptual hashes."""
    most, distance, references = images.most, images.distance, inputs.rows(IMAGE_RESULTS)
    assert most is not None
    groups = groups_for(references)

    def rows(part: PartFiles) -> pa.Table:
        shown = sorted(_shown(part, by_phash=distance is not None))
        width = 32 if distance is None else 8
        columns = {
            "key": pa.array([image for image, _ in shown], pa.binary(width)),
            "rank": pa.array([rank for _, rank in shown], pa.binary(RANK_BYTES)),
            "part": pa.array([part.part] * len(shown), pa.string()),
        }
        return spread(groups)(pa.table(columns))

    def steps(rows: Rows) -> Rows:
        rows = rows.by_group(shortened(most))
        if distance:
            rows = with_near(rows, distance, most, references, groups)
        return rows.map(spread(groups)).by_group(decided(most, images.excess == "keep_first"))

    return Shuffle(map=rows, steps=steps, reduce=_sorted)


def _shown(part: PartFiles, *, by_phash: bool) -> set[tuple[bytes, bytes]]:
    """Each image that a document of the part shows, with the document's rank."""
    results = {row["url"]: row for row in part.rows(IMAGE_RESULTS) if row["status"] == OK}
    columns = ["document_id", "crawled_at", "images.list.element.url", "images.list.element.status"]
    shown = set()
    for batch in part.batches(UNIQUE, columns=columns):
        times = pc.cast(batch["crawled_at"], pa.int64()).to_pylist()
        for row, time in zip(batch.to_pylist(), times, strict=True):
            rank = age_and_id(time, row["document_id"])
            for image in row["images"]:
                if image is not None and image["status"] is None:
                    result = results.get(without_fragment(image["url"]))
                    if result is not None:
                        shown.add((image_key(result, by_phash=by_phash), rank))
    return shown


def _sorted(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    return group.select(["key", "last"]).sort_by("key"), {}
