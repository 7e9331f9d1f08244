"""The bytes of a WARC file as members: a gzip member each, or a plain file as a whole.

A reader of records asks for the next member and, after a damaged one, for the next offset where one could begin. Memory
is limited by the two block sizes.
"""

from __future__ import annotations

import re
import zlib
from typing import BinaryIO

BLOCK_BYTES = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b\x08"
WARC_MAGIC = b"WARC/"
ARC_LINE = rb"[a-z][a-z0-9+.-]*:[^\r\n]{0,3000} \S+ \d{14} [^\r\n]{0,300}\d\r?\n"
"""First line of an ARC record: URL, IP address, time, type, length; version 2 has more fields before the length."""
START_BYTES = 4096
"""Bytes needed to recognize the beginning of a record: an ARC line is longer than `WARC/`."""

_RECORD = re.compile(WARC_MAGIC + rb"|" + ARC_LINE, re.IGNORECASE)
_ARC_RECORD = re.compile(ARC_LINE, re.IGNORECASE)
_WARC_AFTER_LINE = re.compile(rb"\n" + WARC_MAGIC)
_ARC_AFTER_LINE = re.compile(rb"\n" + ARC_LINE, re.IGNORECASE)
_GZIP = re.compile(re.escape(GZIP_MAGIC))


def begins_record(start: bytes) -> bool:
    """Whether `start`, up to `START_BYTES` of data, begins a record."""
    return _RECORD.match(start) is not None


def begins_arc_record(start: bytes) -> bool:
    return _ARC_RECORD.match(start) is not None


class DamagedMember(ValueError):
    """A gzip member that does not decompress."""


class Source:
    """A file read in blocks, with a position that can be moved to the next member."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._held = b""
        self._end = file.tell()

    @property
    def position(self) -> int:
        """Offset in the file of the next byte that `block` returns."""
        return self._end - len(self._held)

    def block(self) -> bytes:
        """The next bytes, at most about `BLOCK_BYTES`; empty at the file's end."""
        self.peek(1)
        held, self._held = self._held, b""
        return held

    def unread(self, data: bytes) -> None:
        """Return `data`, the end of the last block, to the source, so that it is read again."""
        self._held = data + self._held

    def seek(self, offset: int) -> None:
        self._file.seek(offset)
        self._held, self._end = b"", offset

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the file's end, without moving the position."""
        while len(self._held) < size and (data := self._file.read(BLOCK_BYTES)):
            self._end += len(data)
            self._held += data
        return self._held[:size]


class GzipMember:
    """The decompressed bytes of the gzip member at the source's position, which moves to the member's end.

    A member that the end of the file truncates is decompressed as far as it goes and is not `finished`. While
    `record_open`, a following member that does not begin a record is read as a continuation of this one: some crawlers
    end a gzip member within a record.
    """

    def __init__(self, source: Source):
        self._source = source
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.finished = False
        self.record_open = False

    def block(self) -> bytes:
        """The next bytes, at most `BLOCK_BYTES`; empty at the end. Raises `DamagedMember`."""
        while not self.finished or self._continues():
            data = self._inflate.unconsumed_tail or self._source.block()
            if not data:
                return b""
            try:
                out = self._inflate.decompress(data, BLOCK_BYTES)
            except zlib.error as error:
                raise DamagedMember(f"the gzip member does not decompress: {error}") from error
            if self._inflate.eof:
                self.finished = True
                self._source.unread(self._inflate.unused_data)
            if out:
                return out
        return b""

    def _continues(self) -> bool:
        """Start with the next member if it continues the open record."""
        if not self.record_open or not _continues_record(self._source.peek(START_BYTES)):
            return False
        self._inflate, self.finished = zlib.decompressobj(16 + zlib.MAX_WBITS), False
        return True


def _continues_record(compressed: bytes) -> bool:
    """Whether a gzip member begins here that does not begin a record."""
    start = _member_start(compressed)
    return bool(start) and not begins_record(start.lstrip(b"\r\n"))


def _member_start(compressed: bytes) -> bytes:
    """The first decompressed bytes of the gzip member that begins with `compressed`; empty if it is not one."""
    if not compressed.startswith(GZIP_MAGIC):
        return b""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(compressed, START_BYTES)
    except zlib.error:
        return b""


def begins_record_member(compressed: bytes) -> bool:
    """Whether `compressed`, up to `START_BYTES` of data, begins a gzip member that begins a record."""
    return begins_record(_member_start(compressed).lstrip(b"\r\n"))


def next_record_member(source: Source, start: int) -> int | None:
    """Move `source` to the first gzip member at or after `start` that begins a record, and return its offset."""
    offset = _find(source, start, _GZIP)
    while offset is not None:
        source.seek(offset)
        if begins_record_member(source.peek(START_BYTES)):
            return offset
        offset = _find(source, offset + 1, _GZIP)
    return None


def next_gzip_member(source: Source, after: int) -> bool:
    """Move `source` to the first gzip magic number after `after`; False if there is none."""
    offset = _find(source, after + 1, _GZIP)
    if offset is not None:
        source.seek(offset)
    return offset is not None


def next_record_start(source: Source, after: int, *, arc: bool) -> bool:
    """Move `source` to the first line after `after` that begins a record; False if there is none."""
    line_end = _find(source, after, _ARC_AFTER_LINE if arc else _WARC_AFTER_LINE)
    if line_end is not None:
        source.seek(line_end + 1)
    return line_end is not None


def _find(source: Source, offset: int, pattern: re.Pattern[bytes]) -> int | None:
    """The offset of the first match of `pattern` at or after `offset`, also across two blocks."""
    source.seek(offset)
    tail = b""
    while block := source.block():
        window = tail + block
        if match := pattern.search(window):
            return source.position - len(window) + match.start()
        tail = window[-START_BYTES:]
    return None
