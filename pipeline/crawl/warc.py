"""WARC and ARC records, streamed; a damaged record costs itself.

warcio parses the records. Recovery is done here: after a damaged record or gzip member, reading continues at the next
offset where one begins, and every fault is reported with its offset. Memory: one record's block at a time, limited by
`max_block_bytes`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from m3w.pipeline.crawl.archive_stream import (
    GZIP_MAGIC,
    START_BYTES,
    DamagedMember,
    GzipMember,
    Source,
    begins_record_member,
    next_gzip_member,
    next_record_member,
    next_record_start,
)
from m3w.pipeline.crawl.ranged_file import RangedFile
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import Window, open_file
from m3w.pipeline.crawl.warc_record import BadRecord, RecordStream, WarcRecord, parse_record
from m3w.pipeline.engine.ledger import Fault

OTHER_COMPRESSION = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
SPAN_BYTES = 64 * 2**20
"""Bytes per request, about: little is lost when a connection breaks, and servers close those open for hours."""


class CannotSplit(OSError):
    """A file that cannot be read in parts: records would be read twice or not at all."""


def read_archive(
    path: str, *, max_block_bytes: int, storage: Storage | None = None, start: int = 0, end: int | None = None
) -> Iterator[WarcRecord | Fault]:
    """The records of the WARC or ARC file at `path` (an fsspec path) and its faults, in file order.

    If the file has a gzip member for each record, only members that begin between `start` and `end` are read. Any other
    file is read completely if `start` is 0, and not at all otherwise. Adjacent parts give each record and fault once.

    A record that is truncated, by the end of the file or a short block, is returned and followed by a `Fault`, since
    Common Crawl truncates payloads, too. One that does not decompress, or overlaps the next one, is a `Fault` alone.
    Raises OSError only if the file cannot be opened or read at all, and `CannotSplit` if it cannot be read in parts.
    """
    with open_file(path, storage or Storage()) as file:
        if start == 0 and end is None:
            yield from read_records(file, path, max_block_bytes=max_block_bytes)
        else:
            yield from _Archive(path, Source(file), max_block_bytes, end).read_part(start)


def read_records(file: BinaryIO, path: str, *, max_block_bytes: int) -> Iterator[WarcRecord | Fault]:
    """Like `read_archive`, from an open file whose position is the beginning of a record or gzip member."""
    start, empty = file.tell(), True
    for item in _Archive(path, Source(file), max_block_bytes).read():
        empty = False
        yield item
    if empty:
        yield Fault(path=path, offset=start, reason="empty_file")


@dataclass(frozen=True)
class RecordLocation:
    """The bytes of a record in a WARC file."""

    path: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


def read_locations(
    locations: Iterable[RecordLocation], *, max_block_bytes: int, storage: Storage
) -> Iterator[WarcRecord | Fault]:
    """The records at `locations`, sorted by path and offset, and their faults. Raises OSError.

    Files are read by ranges: one request for locations that are close together, and nothing else of their files.
    """
    for path, of_file in itertools.groupby(locations, key=lambda location: location.path):
        with open_file(path, storage) as file:
            for span in _spans(of_file, storage.gap_kib * 1024):
                if isinstance(file, RangedFile):
                    file.bound(max(location.end for location in span))
                for location in span:
                    window = cast(BinaryIO, Window(file, location.offset, location.end, origin=0))
                    yield from read_records(window, path, max_block_bytes=max_block_bytes)


def _spans(locations: Iterable[RecordLocation], gap_bytes: int) -> Iterator[list[RecordLocation]]:
    """Groups of locations in a file with gaps of at most `gap_bytes`, each of about `SPAN_BYTES` at most."""
    span: list[RecordLocation] = []
    for location in locations:
        if span and (location.offset - span[-1].end > gap_bytes or location.end - span[0].offset > SPAN_BYTES):
            yield span
            span = []
        span.append(location)
    if span:
        yield span


class _Archive:
    """Reads the records of one file and recovers after damaged ones."""

    def __init__(self, path: str, source: Source, max_block_bytes: int, end: int | None = None):
        self._path, self._source, self._limit, self._end = path, source, max_block_bytes, end
        self._arc = False

    def read_part(self, start: int) -> Iterator[WarcRecord | Fault]:
        """What begins at or after `start` and before the end given to the constructor."""
        if start and not self._source.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
            return  # not a gzip file, so the first part reads all of it
        if start == 0:
            empty = True
            for item in self.read():
                empty = False
                yield item
            if empty and next_record_member(self._source, 0) is None:  # otherwise later parts have records
                yield self._fault(0, BadRecord("empty_file"))
        elif (offset := next_record_member(self._source, start)) is not None and not self._is_past_end(offset):
            yield from self._read_gzip()

    def _is_past_end(self, offset: int) -> bool:
        return self._end is not None and offset >= self._end

    def _ends(self) -> bool:
        """Whether the next part begins at the source's position. Raises `CannotSplit` if it would begin earlier.

        The next part begins at the first member after the end. If the end is inside a record that is itself a gzip file
        of WARC records, that search finds a member within the record.
        """
        offset = self._source.position
        if not self._is_past_end(offset) or not begins_record_member(self._source.peek(START_BYTES)):
            return False
        assert self._end is not None
        if next_record_member(self._source, self._end) != offset:
            raise CannotSplit(
                f"{self._path} cannot be read in parts: a gzip file of WARC records is stored in the record before "
                f"byte {offset}; set crawl.part_mib to null"
            )
        return True

    def read(self) -> Iterator[WarcRecord | Fault]:
        start = self._source.peek(START_BYTES)
        compression = next((name for magic, name in OTHER_COMPRESSION.items() if start.startswith(magic)), None)
        if start.startswith(GZIP_MAGIC):
            yield from self._read_gzip()
        elif compression:
            yield self._fault(self._source.position, BadRecord("unsupported_compression", compression))
        else:
            yield from self._read_plain()

    def _read_plain(self) -> Iterator[WarcRecord | Fault]:
        start: int | None = self._source.position
        while start is not None:
            stream = RecordStream(self._source, start)
            start = None
            try:
                yield from self._records(stream)
            except BadRecord as bad:
                more = next_record_start(self._source, stream.record_start, arc=self._arc)
                start = self._source.position if more else None
                overlaps = start is not None and start < stream.record_end
                yield from self._recovered(stream, bad, overlaps)

    def _read_gzip(self) -> Iterator[WarcRecord | Fault]:
        more, damaged = True, False
        while more and not self._ends():
            offset = self._source.position
            member = GzipMember(self._source)
            stream = RecordStream(member, offset)
            try:
                damaged = damaged and not begins_record_member(self._source.peek(START_BYTES))
                if not damaged:  # otherwise a magic number in damaged data, part of the fault already reported
                    yield from self._records_of_member(stream)
                    damaged = not member.finished
            except DamagedMember as error:
                if not damaged:
                    yield self._fault(offset, BadRecord("damaged_gzip_member", str(error)))
                damaged = True
            ahead = self._source.peek(20)
            if damaged:
                more = next_gzip_member(self._source, offset)
            elif ahead and not ahead.startswith(GZIP_MAGIC):
                yield self._fault(self._source.position, BadRecord("junk_after_member", f"begins with {ahead!r}"))
                more = next_gzip_member(self._source, self._source.position)
            else:
                more = bool(ahead)

    def _records_of_member(self, stream: RecordStream) -> Iterator[WarcRecord | Fault]:
        """The records of a gzip member; after a bad one, reading continues at the next line that begins a record."""
        more = True
        while more:
            try:
                yield from self._records(stream)
                more = False
            except BadRecord as bad:
                yield from self._recovered(stream, bad, overlaps=False)
                more = stream.skip_to_record()

    def _records(self, stream: RecordStream) -> Iterator[WarcRecord]:
        """The records in one stream. Raises `BadRecord` or `DamagedMember` at the first bad one."""
        while stream.skip_blank_lines():
            stream.mark_record()
            self._arc = self._arc or stream.at_arc_record()
            try:
                record = parse_record(stream, self._path, self._limit, arc=self._arc)
            finally:
                stream.mark_end()
            more = stream.skip_blank_lines()
            record = replace(record, length=stream.length(self._source, more))
            if more and not self._arc and not stream.at_record():
                raise BadRecord("junk_after_record", f"{stream.peek(20)!r}", record)
            yield record

    def _recovered(self, stream: RecordStream, bad: BadRecord, overlaps: bool) -> Iterator[WarcRecord | Fault]:
        """The bad record as far as it was read, unless it overlaps the next one, and its fault."""
        if bad.record is not None and overlaps:
            bad = BadRecord("bad_content_length", bad.detail, url=bad.record.url)
        elif bad.record is not None:
            yield bad.record
        offset = stream.record_end if bad.reason == "junk_after_record" else stream.record_start
        yield self._fault(offset, bad)

    def _fault(self, offset: int, bad: BadRecord) -> Fault:
        return Fault(path=self._path, offset=offset, reason=bad.reason, detail=bad.detail, url=bad.url)
