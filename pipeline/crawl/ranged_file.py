"""A file behind HTTP, read by ranges: broken off anywhere, it goes on at the byte where it broke.

One request is kept open while reading goes forward, so a file that is read through costs one request, and what the
reader does not take stays with the server. A request that fails for a passing reason (503 SlowDown, 429, other 5xx, a
reset, a time-out, a body that ends early) is made again for what is missing, after a pause that doubles and is drawn
at random from its upper half, so that many readers do not come back at once. Every answer must be of the file that the
first one was of, by ETag (else Last-Modified) and size: a file that changed meanwhile is an error, never a splice.
"""

from __future__ import annotations

import functools
import io
import os
import random
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from m3w.pipeline.crawl.section import Storage

PIECE_BYTES = 256 * 1024
"""Taken from a response at a time."""
SKIP_BYTES = 2**20
"""So far ahead it costs less to read on than to ask again: some 10 ms at 1 Gb/s, against a request's 30 to 100."""
LONGEST_PAUSE_S = 60.0
PASSING = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class FileChanged(OSError):
    """The file is no longer the one whose first bytes were read."""


class ReadFailed(OSError):
    """All attempts at some bytes of a file failed."""


class _Passing(Exception):
    """What another attempt may mend."""

    def __init__(self, reason: str, retry_after_s: float = 0.0):
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class RangedFile(io.RawIOBase):
    """The file that `locate` gives an address of; it is asked before each request, as signed addresses run out.

    `name` stands in errors. `bound(end)` keeps the next request from asking for what lies behind `end`.

    Raises FileNotFoundError, PermissionError, `FileChanged`, `ReadFailed` or another OSError.
    """

    def __init__(self, name: str, locate: Callable[[], str], storage: Storage):
        self.name, self._locate, self._storage = name, locate, storage
        self._at = 0
        self._bound: int | None = None
        self._response: Any = None
        self._response_at = 0
        self._response_end: int | None = None
        self._size: int | None = None
        self._version: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole file; costs a request if nothing was read yet."""
        if self._size is None:
            self._with_patience(self._connect, 0, 1)
            self._drop()
        if self._size is None:
            raise OSError(f"{self.name} cannot be read from its end: the server does not say its size")
        return self._size

    def bound(self, end: int | None) -> None:
        self._bound = end

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = (self.size if start is None else start) + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, fewer only at the file's end."""
        if size is None or size < 0:
            size = max(0, self.size - self._at)
        pieces = []
        while size > 0 and (piece := self._with_patience(self._piece, size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _with_patience(self, step: Callable[..., Any], *of: int) -> Any:
        """What `step` gives; tried again while it fails for passing reasons."""
        for attempt in range(1, self._storage.attempts + 1):
            try:
                return step(*of)
            except (_Passing, HTTPError, OSError) as error:
                self._drop()
                if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
                    raise
                if attempt == self._storage.attempts:
                    raise ReadFailed(
                        f"{self.name} could not be read at byte {self._at}: {attempt} attempts failed, the last with "
                        f"{_reason(error)}"
                    ) from error
                time.sleep(self._pause(attempt, error))
        raise AssertionError  # the loop ends by return or raise

    def _pause(self, attempt: int, error: Exception) -> float:
        """Seconds before the next attempt; what the server asks for, if that is longer."""
        longest = min(self._storage.pause_s * 2.0 ** (attempt - 1), LONGEST_PAUSE_S)
        asked = min(error.retry_after_s, LONGEST_PAUSE_S) if isinstance(error, _Passing) else 0.0
        return max(asked, longest * random.uniform(0.5, 1))

    def _piece(self, size: int) -> bytes:
        if self._size is not None and self._at >= self._size:
            return b""
        if self._response is not None and not self._is_ahead(self._at):
            self._drop()
        fresh = self._response is None
        if fresh:
            wanted = None if self._bound is None else max(self._bound, self._at + size)
            self._connect(self._at, wanted)
            if self._response is None:
                return b""
        while self._response_at < self._at and self._take(self._at - self._response_at):
            pass
        data = self._take(size)
        if not data and fresh and self._size is not None:
            raise _Passing("an answer without a byte")
        if not data:
            self._drop()  # the end of a bounded range, or of a body whose length nobody said
            self._size = self._at if self._size is None else self._size
            return self._piece(size)
        self._at += len(data)
        return data

    def _is_ahead(self, at: int) -> bool:
        """Whether the open response comes to the byte `at`, and soon."""
        near = 0 <= at - self._response_at <= SKIP_BYTES
        return near and (self._response_end is None or at < self._response_end)

    def _take(self, size: int) -> bytes:
        data: bytes = self._response.read1(min(size, PIECE_BYTES), decode_content=False)
        self._response_at += len(data)
        if not data and self._response_end is not None and self._response_at < self._response_end:
            raise _Passing(f"a body that ended {self._response_end - self._response_at} bytes early")
        return data

    def _connect(self, start: int, end: int | None) -> None:
        """Open a response for the bytes from `start` on; none is left open where the file ends before."""
        headers = {
            "Range": f"bytes={start}-{'' if end is None else end - 1}",
            "Accept-Encoding": "identity",
            "User-Agent": f"m3w/{version('m3w')}",
        }
        if self._version is not None and self._version.startswith('"'):
            headers["If-Match"] = self._version
        response = _connections().request(
            "GET",
            self._locate(),
            headers=headers,
            preload_content=False,
            retries=urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5),
            timeout=urllib3.Timeout(connect=self._storage.timeout_s, read=self._storage.timeout_s),
        )
        self._response, self._response_at, self._response_end = response, start, start
        self._judge(response)

    def _judge(self, response: Any) -> None:
        """What the status and headers say of the response that was opened."""
        status, headers = response.status, response.headers
        if status in PASSING:
            raise _Passing(f"HTTP {status}", _seconds(headers.get("Retry-After")))
        if status == 412:
            raise FileChanged(f"{self.name} changed while it was read: it is no longer {self._version}")
        found = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        if status == 416:
            self._size = int(found[2]) if found else self._response_at
            return self._drop()
        if status not in (200, 206) or (status == 206 and not found):
            raise _refusal(status, self.name)
        whole = headers.get("Content-Length") if status == 200 else (found and found[2])
        self._same_file(headers.get("ETag") or headers.get("Last-Modified"), None if whole is None else int(whole))
        begin = int(found[1] or 0) if found else 0  # a server without ranges: read on up to the byte
        if begin > self._response_at:
            raise OSError(f"{self.name}: asked for byte {self._response_at}, the server began at {begin}")
        self._response_at = begin
        length = headers.get("Content-Length")
        self._response_end = None if length is None else self._response_at + int(length)
        return None

    def _same_file(self, tag: str | None, size: int | None) -> None:
        if self._size is not None and (tag, size) != (self._version, self._size):
            raise FileChanged(
                f"{self.name} changed while it was read: it was {self._version} of {self._size} bytes, now it is {tag} "
                f"of {size}"
            )
        self._version, self._size = tag, size

    def _drop(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            if response.length_remaining == 0:
                response.drain_conn()
                response.release_conn()
            else:
                response.close()


@functools.cache
def _connections() -> urllib3.PoolManager:
    """Connections that are kept and used again."""
    return urllib3.PoolManager(num_pools=16, maxsize=4)


def _refusal(status: int, name: str) -> OSError:
    if status in (404, 410):
        return FileNotFoundError(f"{name} is not there (HTTP {status})")
    if status in (401, 403):
        return PermissionError(f"{name} may not be read (HTTP {status})")
    return OSError(f"{name} cannot be read: HTTP {status}")


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error  # urllib3 wraps what happened in what it was doing
    text = " ".join(str(cause).split())[:200]
    return text if isinstance(error, _Passing) else f"{type(cause).__name__}: {text}"


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else 0.0
