"""What a part of `extract` reads: an archive file, a stretch of one, or the pages that an index names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.warc import RecordLocation, read_archive, read_locations
from m3w.pipeline.crawl.warc_record import Fault, WarcRecord
from m3w.pipeline.engine.run import Run


def records(run: Run, work: dict[str, Any], *, max_block_bytes: int, storage: Storage) -> Iterator[WarcRecord | Fault]:
    """The records and faults of the part whose `work` is given. Raises OSError for a file that cannot be read."""
    if "selection" in work:
        return read_locations(_locations(run, work["selection"]), max_block_bytes=max_block_bytes, storage=storage)
    return read_archive(**work, max_block_bytes=max_block_bytes, storage=storage)


def _locations(run: Run, name: str) -> Iterator[RecordLocation]:
    """The pages of a part, in the order in which they lie."""
    with run.fs.open(run.full(name), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches():
            for row in batch.to_pylist():
                yield RecordLocation(row["warc_filename"], row["warc_record_offset"], row["warc_record_length"])
