"""An HTTP server on a free loopback port, in its own thread, that records every request it reads.

The Host header of a request selects the host, so one port serves many hosts. A subclass writes the response, byte by
byte if needed, since half of what a fetcher meets is not HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

MAX_HEAD_BYTES = 2**16
ENDS = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
"""How a connection ends, by the client or by the server."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request."""

    host: str
    """The name in the Host header, without the port."""
    path: str
    at: float
    """Seconds of the monotonic clock when the head had been read."""
    connections: int
    """Open connections of this host's requests at that time, including this one."""
    agent: str


@dataclass(eq=False)
class Connection:
    """One client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str = ""

    async def send(self, status: int, body: bytes = b"", *headers: str, length: int | None = None) -> None:
        """Send a whole response; `length` replaces the true Content-Length."""
        stated = len(body) if length is None else length
        phrase = HTTPStatus(status).phrase
        head = [f"HTTP/1.1 {status} {phrase}", *headers, f"Content-Length: {stated}", "", ""]
        await self.raw("\r\n".join(head).encode("latin-1") + body)

    async def raw(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()


class Server:
    """Serves inside a `with` block."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.accepted = 0
        self.port = 0
        self._open: set[Connection] = set()
        self._started = threading.Event()

    async def answer(self, visit: Visit, connection: Connection) -> None:
        """Respond to a request in any way; a closed connection is not read again."""
        await connection.send(404)

    def listening(self) -> None:
        """Called when the port is known."""

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self.port}{path}"

    def asked(self, *, files: bool = False) -> Counter[str]:
        """The number of requests of each `HOST/PATH`; with `files` also of robots.txt and of /.well-known/."""
        visits = [visit for visit in self.visits if files or not is_rules(visit.path)]
        return Counter(f"{visit.host}{visit.path}" for visit in visits)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=MAX_HEAD_BYTES, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.listening()
        self._started.set()
        await self._stop.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = Connection(reader, writer)
        self._open.add(connection)
        try:
            with suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
            ):
                while not writer.is_closing():
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    await self.answer(self._noted(head, connection), connection)
        finally:
            self._open.discard(connection)
            with suppress(Exception):  # it has closed the connection
                writer.close()

    def _noted(self, head: str, connection: Connection) -> Visit:
        request, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        connection.host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        visit = Visit(
            host=connection.host,
            path=request.split(" ")[1],
            at=time.monotonic(),
            connections=sum(other.host == connection.host for other in self._open),
            agent=headers.get("user-agent", ""),
        )
        self.visits.append(visit)
        return visit


def is_rules(path: str) -> bool:
    """Whether a crawler reads this path before it requests anything else."""
    return path == "/robots.txt" or path.startswith("/.well-known/")
