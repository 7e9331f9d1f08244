"""The bytes of a WARC file as members: one gzip member, or the whole of a plain file.

A reader of records asks for the next member and, where one turns out to be damaged, for the next
place that could begin another. Memory is bounded by the two block sizes, whatever the file holds.
"""

from __future__ import annotations

import re
import zlib
from typing import BinaryIO

BLOCK_BYTES = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b\x08"
WARC_MAGIC = b"WARC/"
ARC_LINE = rb"[a-z][a-z0-9+.-]*:[^\r\n]{0,3000} \S+ \d{14} [^\r\n]{0,300}\d\r?\n"
"""The line that begins an ARC record: URL, address, moment, type, length; version 2 has more before the length."""
START_BYTES = 4096
"""Enough to tell whether a record begins: an ARC line is longer than `WARC/`."""

_RECORD = re.compile(WARC_MAGIC + rb"|" + ARC_LINE, re.IGNORECASE)
_ARC_RECORD = re.compile(ARC_LINE, re.IGNORECASE)
_WARC_AFTER_LINE = re.compile(rb"\n" + WARC_MAGIC)
_ARC_AFTER_LINE = re.compile(rb"\n" + ARC_LINE, re.IGNORECASE)
_GZIP = re.compile(re.escape(GZIP_MAGIC))


def begins_record(start: bytes) -> bool:
    """Whether bytes that start with `start` (`START_BYTES` of them, if there are as many) are a record."""
    return _RECORD.match(start) is not None


def begins_arc_record(start: bytes) -> bool:
    return _ARC_RECORD.match(start) is not None


class DamagedMember(ValueError):
    """A gzip member that does not decompress."""


class Source:
    """A file read in blocks, whose position can be moved to where the next member begins."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._held = b""
        self._end = file.tell()

    @property
    def position(self) -> int:
        """The offset in the file of the next byte that `block` gives."""
        return self._end - len(self._held)

    def block(self) -> bytes:
        """The next bytes, at most about `BLOCK_BYTES`; empty at the file's end."""
        self.peek(1)
        held, self._held = self._held, b""
        return held

    def give_back(self, data: bytes) -> None:
        """`data`, the end of what `block` gave last, will be given again."""
        self._held = data + self._held

    def seek(self, offset: int) -> None:
        self._file.seek(offset)
        self._held, self._end = b"", offset

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the file's end; they will be given again."""
        while len(self._held) < size and (data := self._file.read(BLOCK_BYTES)):
            self._end += len(data)
            self._held += data
        return self._held[:size]


class GzipMember:
    """The decompressed bytes of the gzip member at the source's position, which is left at the member's end.

    A member that the file's end cuts short gives what is there, and stays not `finished`. While `record_open`, a member
    behind it that begins no record is read as the rest of this one: some crawlers close a member within a record.
    """

    def __init__(self, source: Source):
        self._source = source
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.finished = False
        self.record_open = False

    def block(self) -> bytes:
        """The next bytes, at most `BLOCK_BYTES`; empty at the end. Raises `DamagedMember`."""
        while not self.finished or self._goes_on():
            data = self._inflate.unconsumed_tail or self._source.block()
            if not data:
                return b""
            try:
                out = self._inflate.decompress(data, BLOCK_BYTES)
            except zlib.error as error:
                raise DamagedMember(f"the gzip member does not decompress: {error}") from error
            if self._inflate.eof:
                self.finished = True
                self._source.give_back(self._inflate.unused_data)
            if out:
                return out
        return b""

    def _goes_on(self) -> bool:
        """Move into the next member if it holds more of the open record."""
        if not self.record_open or not _holds_no_start(self._source.peek(START_BYTES)):
            return False
        self._inflate, self.finished = zlib.decompressobj(16 + zlib.MAX_WBITS), False
        return True


def _holds_no_start(compressed: bytes) -> bool:
    """Whether a gzip member begins here that begins no record."""
    start = _member_start(compressed)
    return bool(start) and not begins_record(start.lstrip(b"\r\n"))


def _member_start(compressed: bytes) -> bytes:
    """The first bytes of the gzip member that begins with `compressed`; empty if none begins."""
    if not compressed.startswith(GZIP_MAGIC):
        return b""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(compressed, START_BYTES)
    except zlib.error:
        return b""


def begins_record_member(compressed: bytes) -> bool:
    """Whether a gzip member that begins a record begins with `compressed`, of which `START_BYTES` are enough."""
    return begins_record(_member_start(compressed).lstrip(b"\r\n"))


def next_record_member(source: Source, at: int) -> int | None:
    """Move `source` to the first gzip member at or behind `at` that begins a record, and give its offset."""
    found = _find(source, at, _GZIP)
    while found is not None:
        source.seek(found)
        if begins_record_member(source.peek(START_BYTES)):
            return found
        found = _find(source, found + 1, _GZIP)
    return None


def next_gzip_member(source: Source, after: int) -> bool:
    """Move `source` to the first gzip magic behind `after`; False if there is none."""
    found = _find(source, after + 1, _GZIP)
    if found is not None:
        source.seek(found)
    return found is not None


def next_record_start(source: Source, after: int, *, arc: bool) -> bool:
    """Move `source` to the first line behind `after` that begins a record; False if there is none."""
    found = _find(source, after, _ARC_AFTER_LINE if arc else _WARC_AFTER_LINE)
    if found is not None:
        source.seek(found + 1)
    return found is not None


def _find(source: Source, offset: int, pattern: re.Pattern[bytes]) -> int | None:
    """The offset of `pattern` at or behind `offset`, also where it lies across two blocks."""
    source.seek(offset)
    tail = b""
    while block := source.block():
        window = tail + block
        if match := pattern.search(window):
            return source.position - len(window) + match.start()
        tail = window[-START_BYTES:]
    return None
