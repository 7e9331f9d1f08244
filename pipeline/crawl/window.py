"""A stretch of an open file, as a file of its own."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO


class Window(io.RawIOBase):
    """The bytes from `start` to `end` of `file`; positions count from `origin`, which is `start` unless told.

    With `origin` 0 they are those of `file` itself. Closing the window leaves the file open.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, *, origin: int | None = None):
        self._file, self._end = file, end
        self._origin = start if origin is None else origin
        self._at = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._origin

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: self._origin, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = start + offset
        return self.tell()

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._end - self._at)
        self._file.seek(self._at)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
