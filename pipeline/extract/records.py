"""What a part of `extract` reads: an archive file, a stretch of one, or the pages that an index names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.warc import Place, read_archive, read_places
from m3w.pipeline.crawl.warc_record import Fault, WarcRecord
from m3w.pipeline.engine.run import Run


def records(run: Run, work: dict[str, Any], *, max_block_bytes: int, storage: Storage) -> Iterator[WarcRecord | Fault]:
    """The records and faults of the part whose `work` is given. Raises OSError for a file that cannot be read."""
    if "selection" in work:
        return read_places(_places(run, work["selection"]), max_block_bytes=max_block_bytes, storage=storage)
    return read_archive(**work, max_block_bytes=max_block_bytes, storage=storage)


def _places(run: Run, name: str) -> Iterator[Place]:
    """The pages of a part, in the order in which they lie."""
    with run.fs.open(run.full(name), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches():
            for row in batch.to_pylist():
                yield Place(row["warc_filename"], row["warc_record_offset"], row["warc_record_length"])
