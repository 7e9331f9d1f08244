"""WARC and ARC records, streamed; a damaged record costs itself.

warcio parses the records. What it leaves to the caller is done here: where a record or a gzip member is
damaged, reading goes on at the next place that begins one, and every fault is named with its offset.
Memory: one record's block at a time, bounded by `max_block_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

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
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.crawl.warc_record import BadRecord, RecordStream, WarcRecord, parse_record
from m3w.pipeline.engine.ledger import Fault

OTHER_COMPRESSION = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


class CannotSplit(OSError):
    """A file whose parts would not meet, so that records would be read twice or not at all."""


def read_archive(
    path: str, *, max_block_bytes: int, storage: Storage | None = None, start: int = 0, end: int | None = None
) -> Iterator[WarcRecord | Fault]:
    """The records of the WARC or ARC file at `path` (an fsspec path), and its faults, as they lie.

    Of a file with a gzip member for each record, those of the members that begin between `start` and `end`; any other
    file is read whole where `start` is 0, and else not at all. So parts that meet give each record and fault once.

    A record that the file's end or a shorter block cuts is given with a `Fault` after it, as Common Crawl's own cut
    payloads are taken; one that does not decompress or runs into the next is a `Fault` alone. Raises OSError only
    if the file cannot be opened or read at all, or, as `CannotSplit`, not in these parts.
    """
    with open_file(path, storage or Storage()) as file:
        if start == 0 and end is None:
            yield from read_records(file, path, max_block_bytes=max_block_bytes)
        else:
            yield from _Archive(path, Source(file), max_block_bytes, end).read_part(start)


def read_records(file: BinaryIO, path: str, *, max_block_bytes: int) -> Iterator[WarcRecord | Fault]:
    """As `read_archive`, from an open file at its position, where a record or a gzip member begins."""
    start, found = file.tell(), False
    for item in _Archive(path, Source(file), max_block_bytes).read():
        found = True
        yield item
    if not found:
        yield Fault(path=path, offset=start, reason="empty_file")


class _Archive:
    def __init__(self, path: str, source: Source, max_block_bytes: int, end: int | None = None):
        self._path, self._source, self._limit, self._end = path, source, max_block_bytes, end
        self._arc = False

    def read_part(self, start: int) -> Iterator[WarcRecord | Fault]:
        """What begins behind `start`, up to the end that was given."""
        if start and not self._source.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
            return  # it is no gzip file, so the part that begins it reads it whole
        if start == 0:
            empty = True
            for item in self.read():
                empty = False
                yield item
            if empty and next_record_member(self._source, 0) is None:  # else the parts that follow have records
                yield self._fault(0, BadRecord("empty_file"))
        elif (found := next_record_member(self._source, start)) is not None and not self._is_behind(found):
            yield from self._read_gzip()

    def _is_behind(self, offset: int) -> bool:
        return self._end is not None and offset >= self._end

    def _ends(self) -> bool:
        """Whether the next part begins at the source's position. Raises `CannotSplit` if it would begin before.

        It looks for the first member behind the end. A part that reaches its end inside a member can tell whether that
        search finds something in it: a gzip file with WARC records, stored within a record.
        """
        offset = self._source.position
        if not self._is_behind(offset) or not begins_record_member(self._source.peek(START_BYTES)):
            return False
        assert self._end is not None
        found = next_record_member(self._source, self._end)
        if found != offset:
            raise CannotSplit(
                f"{self._path} cannot be read in parts: a gzip file of WARC records lies within its record before byte "
                f"{offset}; set crawl.part_mib to null"
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
                found = next_record_start(self._source, stream.record_start, arc=self._arc)
                start = self._source.position if found else None
                swallowed = start is not None and start < stream.record_end
                yield from self._judged(stream, bad, swallowed)

    def _read_gzip(self) -> Iterator[WarcRecord | Fault]:
        more, damaged = True, False
        while more and not self._ends():
            offset = self._source.position
            member = GzipMember(self._source)
            stream = RecordStream(member, offset)
            try:
                damaged = damaged and not begins_record_member(self._source.peek(START_BYTES))
                if not damaged:  # else a magic number inside damaged data, which belongs to the fault already named
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
        """The records of a gzip member; behind one that is not as it should be, the next that begins on a line."""
        more = True
        while more:
            try:
                yield from self._records(stream)
                more = False
            except BadRecord as bad:
                yield from self._judged(stream, bad, swallowed=False)
                more = stream.skip_to_record()

    def _records(self, stream: RecordStream) -> Iterator[WarcRecord]:
        """The records in one stream; raises `BadRecord` or `DamagedMember` at the first that is not as it should be."""
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

    def _judged(self, stream: RecordStream, bad: BadRecord, swallowed: bool) -> Iterator[WarcRecord | Fault]:
        """What a fault costs: the record if it swallowed the start of the next one, else only what is missing."""
        if bad.record is not None and swallowed:
            bad = BadRecord("bad_content_length", bad.detail, url=bad.record.url)
        elif bad.record is not None:
            yield bad.record
        offset = stream.record_end if bad.reason == "junk_after_record" else stream.record_start
        yield self._fault(offset, bad)

    def _fault(self, offset: int, bad: BadRecord) -> Fault:
        return Fault(path=self._path, offset=offset, reason=bad.reason, detail=bad.detail, url=bad.url)
