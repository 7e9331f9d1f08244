"""Pages that an index names, read by ranges: near ones by one request, nothing else of their WARC files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from m3w.pipeline.crawl.ranged_file import RangedFile
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.crawl.warc import read_records
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.crawl.window import Window
from m3w.pipeline.engine.ledger import Fault

SPAN_BYTES = 64 * 2**20
"""Of one request, about: a connection that breaks loses nothing, one that is open for hours gets closed."""


@dataclass(frozen=True)
class Place:
    """Where a page lies."""

    path: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


def read_places(places: Iterable[Place], *, max_block_bytes: int, storage: Storage) -> Iterator[WarcRecord | Fault]:
    """The records at `places`, which are sorted by path and offset, and their faults. Raises OSError."""
    for path, of_file in itertools.groupby(places, key=lambda place: place.path):
        with open_file(path, storage) as file:
            for span in _spans(of_file, storage.gap_kib * 1024):
                if isinstance(file, RangedFile):
                    file.bound(max(place.end for place in span))
                for place in span:
                    window = cast(BinaryIO, Window(file, place.offset, place.end, origin=0))
                    yield from read_records(window, path, max_block_bytes=max_block_bytes)


def _spans(places: Iterable[Place], gap_bytes: int) -> Iterator[list[Place]]:
    """Places of a file with at most so much between them, up to about `SPAN_BYTES` together."""
    span: list[Place] = []
    for place in places:
        if span and (place.offset - span[-1].end > gap_bytes or place.end - span[0].offset > SPAN_BYTES):
            yield span
            span = []
        span.append(place)
    if span:
        yield span
