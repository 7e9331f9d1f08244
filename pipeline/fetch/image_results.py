"""Stage `image_results`: passes the result of each image URL to the parts whose documents show it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.settings import NoSettings
from m3w.pipeline.engine.stage import Shuffle, grouped
from m3w.pipeline.engine.stage_io import PartFiles
from m3w.pipeline.fetch.host import REDIRECTED
from m3w.pipeline.tables import IMAGE_RESULTS, INDEX


@grouped(reads=[INDEX], writes=IMAGE_RESULTS, settings=NoSettings)
def image_results(inputs: Inputs, settings: NoSettings) -> Shuffle:
    """Group the index of images by the documents' parts, each sorted by URL."""
    return Shuffle(map=_rows, reduce=_sorted)


def _rows(part: PartFiles) -> pa.Table:
    assert IMAGE_RESULTS.schema is not None
    index = part.read(INDEX)
    # the result of a redirected URL is in another row
    index = index.filter(pc.not_equal(index["status"], REDIRECTED))
    parents = pc.list_parent_indices(index["parts"].combine_chunks())
    groups = pc.list_flatten(index["parts"].combine_chunks())
    return index.select(IMAGE_RESULTS.schema.names).take(parents).append_column("group", groups)


def _sorted(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    assert IMAGE_RESULTS.schema is not None
    return group.select(IMAGE_RESULTS.schema.names).sort_by("url").cast(IMAGE_RESULTS.schema), {}
