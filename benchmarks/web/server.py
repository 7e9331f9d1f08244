"""An HTTP server on a free loopback port, in a thread of its own, that notes every request it reads.

Requests are told apart by their Host header, so that one port is many hosts. What is answered is up to a subclass,
byte by byte if it wants, as half of what a fetcher meets is no HTTP.
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
"""Of a conversation: the client's, or the server's own."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request."""

    host: str
    """The name in its Host header, without the port."""
    path: str
    at: float
    """Seconds of the monotonic clock, when its head had been read."""
    connections: int
    """That this host's requests had open then, this one's among them."""
    agent: str


@dataclass(eq=False)
class Connection:
    """One client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str = ""

    async def send(self, status: int, body: bytes = b"", *headers: str, length: int | None = None) -> None:
        """A whole answer; `length` is stated in place of the true one."""
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
    """Serves from the start of a `with` block to its end."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.accepted = 0
        self.port = 0
        self._open: set[Connection] = set()
        self._started = threading.Event()

    async def answer(self, visit: Visit, connection: Connection) -> None:
        """Answer, or do what else there is to do to a client; a closed connection is not read from again."""
        await connection.send(404)

    def listening(self) -> None:
        """Called once the port is known."""

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self.port}{path}"

    def asked(self, *, files: bool = False) -> Counter[str]:
        """How often each `HOST/PATH` was asked for; with `files` also robots.txt and what is under /.well-known/."""
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
            with suppress(Exception):  # it is gone, one way or the other
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
    """Whether a path is one that a crawler reads before it asks for anything else."""
    return path == "/robots.txt" or path.startswith("/.well-known/")
