"""An S3 server on this machine, behind a proxy that answers some requests with 503 SlowDown.

moto's server holds the objects; it speaks S3's protocol, not its speed.
"""

from __future__ import annotations

import http.client
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.server import ThreadedMotoServer

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
PIECE_BYTES = 256 * 1024
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "date", "server")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class SlowStore:
    """What the server before the store does, and what it counted."""

    store: tuple[str, int]
    """Host and port of the S3 server."""
    refuse_every: int = 0
    """Of the requests, every so manieth is answered with 503 SlowDown; 0 refuses none."""
    break_every: int = 0
    """Of the GET answers of over 64 KiB, every so manieth ends after a third of its bytes; 0 breaks none."""
    url: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    broken: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    large: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to have this store behind its `s3://` paths."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}


@contextmanager
def slow_store(*, refuse_every: int = 0, break_every: int = 0) -> Iterator[SlowStore]:
    """An empty S3 store on free ports of the loopback, gone at the end."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _forget(moto.get_host_and_port())
    store = SlowStore(moto.get_host_and_port(), refuse_every=refuse_every, break_every=break_every)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        moto.stop()


def _forget(address: tuple[str, int]) -> None:
    """moto's servers of one process share what they hold."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that closes its connection early is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: SlowStore

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_method(self) -> None:
        store, body = self.store, self._body()
        store.requests[self.command] += 1
        if store.refuse_every and next(store.numbers) % store.refuse_every == 0:
            store.refused += 1
            return self._send(503, [("Content-Type", "application/xml")], SLOW_DOWN, len(SLOW_DOWN))
        connection = http.client.HTTPConnection(*store.store, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            stated = answer.getheader("Content-Length")
        finally:
            connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        return self._send(answer.status, kept, content, int(stated) if stated else len(content))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_method  # noqa: N815

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        del self.headers["Transfer-Encoding"]
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        store = self.store
        large = self.command == "GET" and len(content) > 2**16
        if large and store.break_every and next(store.large) % store.break_every == 0:
            store.broken += 1
            content = content[: len(content) // 3]
            self.close_connection = True
        if self.command != "HEAD":
            try:
                self.wfile.write(content)
            except ConnectionError:  # the reader had enough
                self.close_connection = True
