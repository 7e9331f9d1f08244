"""A file behind HTTP, read by ranges; after a broken connection, reading resumes at the byte where it broke.

One request stays open while reading moves forward, so a file read from beginning to end costs one request, and bytes
that the reader skips are not transferred. A request that fails for a transient reason (503 SlowDown, 429, other 5xx, a
reset, a time-out, a body that ends early) is repeated for the missing bytes, after a pause that doubles each time and
has a random share of up to half, so that many readers do not return at once. All responses must be of the same file, by
ETag (else Last-Modified) and size: if the file changes, reading fails instead of mixing two versions.
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

CHUNK_BYTES = 256 * 1024
"""Read from a response at a time."""
SKIP_BYTES = 2**20
"""Up to this distance, reading on costs less than a new request: about 10 ms at 1 Gb/s, against 30 to 100 ms."""
LONGEST_PAUSE_S = 60.0
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class FileChanged(OSError):
    """The file changed after its first bytes were read."""


class ReadFailed(OSError):
    """All attempts to read some bytes of a file failed."""


class _TransientError(Exception):
    """A failure that another attempt may not have."""

    def __init__(self, reason: str, retry_after_s: float = 0.0):
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class RangedFile(io.RawIOBase):
    """The file at the URL that `locate` returns; it is called before each request, since signed URLs expire.

    `name` is for error messages. `bound(end)` limits the next requests to the bytes before `end`.

    Raises FileNotFoundError, PermissionError, `FileChanged`, `ReadFailed` or another OSError.
    """

    def __init__(self, name: str, locate: Callable[[], str], storage: Storage):
        self.name, self._locate, self._storage = name, locate, storage
        self._position = 0
        self._bound: int | None = None
        self._response: Any = None
        self._response_at = 0
        self._response_end: int | None = None
        self._size: int | None = None
        self._version: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the file; makes a request if nothing was read yet."""
        if self._size is None:
            self._retrying(self._connect, 0, 1)
            self._drop()
        if self._size is None:
            raise OSError(f"{self.name} cannot be read from its end: the server does not send its size")
        return self._size

    def bound(self, end: int | None) -> None:
        self._bound = end

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        self._position = (self.size if start is None else start) + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, fewer only at the file's end."""
        if size is None or size < 0:
            size = max(0, self.size - self._position)
        chunks = []
        while size > 0 and (chunk := self._retrying(self._chunk, size)):
            chunks.append(chunk)
            size -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _retrying(self, step: Callable[..., Any], *arguments: int) -> Any:
        """The result of `step`, repeated while it fails for transient reasons."""
        for attempt in range(1, self._storage.attempts + 1):
            try:
                return step(*arguments)
            except (_TransientError, HTTPError, OSError) as error:
                self._drop()
                if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
                    raise
                if attempt == self._storage.attempts:
                    raise ReadFailed(
                        f"{self.name} could not be read at byte {self._position}: {attempt} attempts failed, the last "
                        f"with {_reason(error)}"
                    ) from error
                time.sleep(self._pause(attempt, error))
        raise AssertionError  # the loop ends by return or raise

    def _pause(self, attempt: int, error: Exception) -> float:
        """Seconds before the next attempt, at least what the server asks for."""
        longest = min(self._storage.pause_s * 2.0 ** (attempt - 1), LONGEST_PAUSE_S)
        retry_after = min(error.retry_after_s, LONGEST_PAUSE_S) if isinstance(error, _TransientError) else 0.0
        return max(retry_after, longest * random.uniform(0.5, 1))

    def _chunk(self, size: int) -> bytes:
        if self._size is not None and self._position >= self._size:
            return b""
        if self._response is not None and not self._is_ahead(self._position):
            self._drop()
        fresh = self._response is None
        if fresh:
            wanted = None if self._bound is None else max(self._bound, self._position + size)
            self._connect(self._position, wanted)
            if self._response is None:
                return b""
        while self._response_at < self._position and self._read(self._position - self._response_at):
            pass
        data = self._read(size)
        if not data and fresh and self._size is not None:
            raise _TransientError("an empty response")
        if not data:
            self._drop()  # the end of a bounded range, or of a body without a Content-Length
            self._size = self._position if self._size is None else self._size
            return self._chunk(size)
        self._position += len(data)
        return data

    def _is_ahead(self, position: int) -> bool:
        """Whether the open response will reach the byte `position` soon."""
        near = 0 <= position - self._response_at <= SKIP_BYTES
        return near and (self._response_end is None or position < self._response_end)

    def _read(self, size: int) -> bytes:
        data: bytes = self._response.read1(min(size, CHUNK_BYTES), decode_content=False)
        self._response_at += len(data)
        if not data and self._response_end is not None and self._response_at < self._response_end:
            raise _TransientError(f"a body that ended {self._response_end - self._response_at} bytes early")
        return data

    def _connect(self, start: int, end: int | None) -> None:
        """Open a response for the bytes from `start`; none is open if the file ends before it."""
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
        self._check_response(response)

    def _check_response(self, response: Any) -> None:
        """Check the status and headers of the open response, and take the range and size from them."""
        status, headers = response.status, response.headers
        if status in TRANSIENT:
            raise _TransientError(f"HTTP {status}", _seconds(headers.get("Retry-After")))
        if status == 412:
            raise FileChanged(f"{self.name} changed while it was read: it no longer is {self._version}")
        content_range = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        if status == 416:
            self._size = int(content_range[2]) if content_range else self._response_at
            return self._drop()
        if status not in (200, 206) or (status == 206 and not content_range):
            raise _access_error(status, self.name)
        whole = headers.get("Content-Length") if status == 200 else (content_range and content_range[2])
        self._check_version(headers.get("ETag") or headers.get("Last-Modified"), None if whole is None else int(whole))
        begin = int(content_range[1] or 0) if content_range else 0  # a server without ranges: skip to the byte
        if begin > self._response_at:
            raise OSError(f"{self.name}: requested from byte {self._response_at}, but the server sent it from {begin}")
        self._response_at = begin
        length = headers.get("Content-Length")
        self._response_end = None if length is None else self._response_at + int(length)
        return None

    def _check_version(self, tag: str | None, size: int | None) -> None:
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
    """Connections, pooled for the process."""
    return urllib3.PoolManager(num_pools=16, maxsize=4)


def _access_error(status: int, name: str) -> OSError:
    if status in (404, 410):
        return FileNotFoundError(f"{name} does not exist (HTTP {status})")
    if status in (401, 403):
        return PermissionError(f"{name} may not be read (HTTP {status})")
    return OSError(f"{name} cannot be read: HTTP {status}")


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error  # urllib3 wraps the cause
    text = " ".join(str(cause).split())[:200]
    return text if isinstance(error, _TransientError) else f"{type(cause).__name__}: {text}"


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else 0.0
