"""The bytes of a WARC file as members: one gzip member, or the whole of a plain file.

A reader of records asks for the next member and, where one turns out to be damaged, for the next
place that could begin another. Memory is bounded by the two block sizes, whatever the file holds.
"""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

BLOCK_BYTES = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b\x08"
WARC_MAGIC = b"WARC/"


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
        if self._held:
            held, self._held = self._held, b""
            return held
        data: bytes = self._file.read(BLOCK_BYTES)
        self._end += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        """`data`, the end of what `block` gave last, will be given again."""
        self._held = data + self._held

    def seek(self, offset: int) -> None:
        self._file.seek(offset)
        self._held, self._end = b"", offset

    def peek(self) -> bytes:
        data = self.block()
        self.give_back(data)
        return data


class GzipMember(io.RawIOBase):
    """The decompressed bytes of the gzip member at the source's position, which is left at the member's end.

    A member that the file's end cuts short gives what is there, and stays not `finished`.
    """

    def __init__(self, source: Source):
        self._source = source
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.finished = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.finished:
            data = self._inflate.unconsumed_tail or self._source.block()
            if not data:
                return 0
            try:
                out = self._inflate.decompress(data, len(buffer))
            except zlib.error as error:
                raise DamagedMember(f"the gzip member does not decompress: {error}") from error
            if self._inflate.eof:
                self.finished = True
                self._source.give_back(self._inflate.unused_data)
            if out:
                buffer[: len(out)] = out
                return len(out)
        return 0


class PlainFile(io.RawIOBase):
    """The rest of an uncompressed file, as one member."""

    def __init__(self, source: Source):
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.block()
        taken = data[: len(buffer)]
        self._source.give_back(data[len(taken) :])
        buffer[: len(taken)] = taken
        return len(taken)


def next_gzip_member(source: Source, after: int) -> bool:
    """Move `source` to the first gzip magic behind `after`; False if there is none."""
    found = _find(source, after + 1, GZIP_MAGIC)
    if found is not None:
        source.seek(found)
    return found is not None


def next_record_start(source: Source, after: int) -> bool:
    """Move `source` to the first line behind `after` that begins a WARC record; False if there is none."""
    found = _find(source, after, b"\n" + WARC_MAGIC)
    if found is not None:
        source.seek(found + 1)
    return found is not None


def _find(source: Source, offset: int, needle: bytes) -> int | None:
    """The offset of `needle` at or behind `offset`, also where it lies across two blocks."""
    source.seek(offset)
    tail = b""
    while block := source.block():
        window = tail + block
        if (at := window.find(needle)) >= 0:
            return source.position - len(window) + at
        tail = window[-(len(needle) - 1) :]
    return None
