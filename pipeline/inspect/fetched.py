"""Pictures of images that a run fetched and did not take, from its store."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.engine.run import Run
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.inspect.examples import picture_url
from m3w.pipeline.tables import IMAGE_RESULTS

PARTS = 64
"""Parts of the run that are looked through."""


def fetched_pictures(run: Run, addresses: Collection[str]) -> dict[str, str]:
    """`data:` URLs of the images at `addresses`, as far as they were fetched and can be drawn."""
    found: dict[str, str] = {}
    with StoreReader(lambda path: run.fs.open(run.full(path), "rb")) as store:
        for name in run.names(IMAGE_RESULTS.folder)[:PARTS]:
            with run.fs.open(run.full(name), "rb") as file:
                links = pq.read_table(file, columns=["url", "location"])
            wanted = pc.is_in(links["url"], value_set=pa.array(sorted(addresses), pa.string()))
            for row in links.filter(wanted).to_pylist():
                if row["location"] is not None and row["url"] not in found:
                    with suppress(OSError):  # a store that was taken away costs its pictures, not the report
                        picture = picture_url(store.read(row["location"]))
                        found |= {row["url"]: picture} if picture else {}
    return found
