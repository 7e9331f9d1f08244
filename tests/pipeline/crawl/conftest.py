"""A loopback HTTP server with byte ranges and faulty responses on demand."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Web:
    """The server's contents, its faults, and the requests that it got."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """Taken one a request, from the front: `503`, `reset`, `short`, `stall`, `ok`, ... See `_Handler`."""
    always: str = "ok"
    """Once there are no `faults` left."""
    cut_after: int = 50_000
    """Bytes of a body before a reset, a stall or its early end."""
    tagged: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and range of each request."""
    sent: int = 0
    url: str = ""


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    handler = type("Handler", (_Handler,), {"web": web})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that closes its connection early is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        web, asked = self.web, self.headers.get("Range")
        web.asked.append((self.path, asked))
        fault = web.faults.pop(0) if web.faults else web.always
        content = web.files.get(self.path.lstrip("/"))
        if fault.isdecimal():
            return self._empty(int(fault), {"Retry-After": "0"})
        if content is None:
            return self._empty(404)
        tag = f'"{hashlib.md5(content[:99] + content[-99:]).hexdigest()}"'
        if web.tagged and self.headers.get("If-Match", tag) != tag:
            return self._empty(412)
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "") if fault != "no_ranges" else None
        start, end = (
            (int(byte_range[1]), min(int(byte_range[2] or len(content)) + 1, len(content)))
            if byte_range
            else (0, len(content))
        )
        if byte_range and start >= len(content):
            return self._empty(416, {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if byte_range else 200)
        if byte_range:
            start += 10 * (fault == "elsewhere")
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        if web.tagged:
            self.send_header("ETag", tag)
        if fault == "hollow":
            self.close_connection = True
            return self.end_headers()
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        return self._body(memoryview(content)[start:end], fault)

    def _body(self, body: memoryview, fault: str) -> None:
        whole = fault in ("ok", "no_ranges")
        sent = body if whole else body[: self.web.cut_after]
        try:
            self.wfile.write(sent)
        except ConnectionError:  # the reader had enough
            self.close_connection = True
            return
        self.web.sent += len(sent)
        if whole or len(sent) == len(body):
            return
        self.close_connection = True
        if fault == "stall":
            time.sleep(1)
        if fault == "reset":
            self.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER with no time: closing resets

    def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(Web()) as web:
        yield web
