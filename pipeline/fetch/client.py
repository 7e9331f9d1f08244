"""One HTTP request at a time, to addresses that the guard allows, with bounds on everything that a server can stretch.

By aiohttp: it keeps connections, and it has a public place for a resolver and for the making of sockets. Redirects are
not followed here, cookies and proxies of the environment are not used, and bodies come as they were sent.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from m3w.pipeline.fetch.guard import BlockedAddressError, Guard
from m3w.pipeline.images.decode import NoImageError

SMALL = 64 * 2**10
"""Bytes of an error's page that are read so that the connection can be used again."""
LARGE = 2**20
"""Bytes; a longer body waits for one of few places, so that many of them at once do not fill the memory."""
LARGE_AT_ONCE = 4
LEGAL_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Za-z_~\[\]]+")
"""What extraction writes; a redirect's location may be anything."""
MAX_HEADER_BYTES, MAX_HEADERS = 8190, 128


class FetchError(NoImageError):
    """No image came of a request. The message is the image's status."""

    def __init__(self, status: str, *, http_status: int | None = None, transient: bool = False, again: bool = False):
        super().__init__(status)
        self.http_status = http_status
        self.transient = transient
        """Another day may tell otherwise."""
        self.again = again
        """Another try in a moment may do better."""
        self.seconds = 0.0
        """That the request took until it failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    content: bytes
    seconds: float
    """From the connection to the last byte."""


class Client:
    """Asks. `connections` is the most that are open at a time."""

    def __init__(self, guard: Guard, *, user_agent: str, connections: int, timeout_s: float):
        self._guard, self._user_agent = guard, user_agent
        self._connections, self._timeout_s = connections, timeout_s
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                resolver=self._guard,
                use_dns_cache=False,  # the guard has its own, and it is the one that was checked
                socket_factory=self._guard.socket,
                ssl=ssl.create_default_context(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[trace],
            middlewares=[_once],
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._guard.close()

    async def ask(
        self,
        url: str,
        *,
        max_bytes: int,
        accept: str,
        places: AsyncExitStack,
        sent: Callable[[], None] = lambda: None,
    ) -> Answer:
        """The answer to one GET of `url`. Raises `FetchError`.

        `places` keeps a long body's place among the large ones: close it once the body is done with. `sent` is called
        when the request has left. The body of an answer that is not 2xx is not given.
        """
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                response, content = await self._answer(url, max_bytes, accept, sent, places, deadline)
        except Exception as error:
            failure = error if isinstance(error, FetchError) else _failure(error)
            failure.seconds = time.perf_counter() - started
            raise failure from error
        seconds = time.perf_counter() - started
        return Answer(url=url, status=response.status, headers=response.headers, content=content, seconds=seconds)

    async def _answer(
        self,
        url: str,
        max_bytes: int,
        accept: str,
        sent: Callable[[], None],
        places: AsyncExitStack,
        deadline: asyncio.Timeout,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        context = SimpleNamespace(sent=sent)
        headers = {"Accept": accept}
        async with self._session.get(
            _as_written(url), allow_redirects=False, headers=headers, trace_request_ctx=context
        ) as response:
            content = b""
            if 200 <= response.status < 300:
                content = await self._body(response, max_bytes, places, deadline)
            elif response.content_length is not None and response.content_length <= SMALL:
                await response.read()
            else:
                response.close()  # its body may have no end
            return response, content

    async def _body(
        self, response: aiohttp.ClientResponse, max_bytes: int, places: AsyncExitStack, deadline: asyncio.Timeout
    ) -> bytes:
        if (response.content_length or 0) > max_bytes:
            response.close()
            raise FetchError("too_large", http_status=response.status)
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                response.close()
                raise FetchError("too_large", http_status=response.status)
            if size > LARGE >= size - len(chunk):
                await self._large_place(places, deadline)
        return b"".join(chunks)

    async def _large_place(self, places: AsyncExitStack, deadline: asyncio.Timeout) -> None:
        """Wait for one; it is we who are slow then, not the server."""
        left = (deadline.when() or 0.0) - asyncio.get_running_loop().time()
        deadline.reschedule(None)
        await places.enter_async_context(self._large)
        deadline.reschedule(asyncio.get_running_loop().time() + left)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from asking again at once after a lost connection, behind the back of politeness."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _failure(error) from error


def _as_written(url: str) -> URL:
    """`url` with its escapes as they are: `%2C` and `,` are two addresses to some servers, and to signatures."""
    return URL(url, encoded=True) if LEGAL_URL.fullmatch(url) else URL(url)


async def _sent(session: aiohttp.ClientSession, context: Any, parameters: object) -> None:
    context.trace_request_ctx.sent()


def _failure(error: Exception) -> FetchError:
    """What went wrong on the wire, as a status."""
    if isinstance(error, TimeoutError):
        return FetchError("timeout", transient=True, again=True)
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, BlockedAddressError):
        return FetchError("blocked_address")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FetchError("dns_failure", transient=True)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError | ssl.CertificateError):
        return FetchError("tls_failure")
    if isinstance(error, aiohttp.ClientConnectorError):
        return FetchError("connection_failed", transient=True, again=True)
    if isinstance(error, aiohttp.InvalidURL | ValueError | UnicodeError):
        return FetchError("invalid_url")
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchError("bad_response")
    if isinstance(error, aiohttp.ClientError | OSError):
        return FetchError("connection_lost", transient=True, again=True)
    raise error


def pause_of(headers: CIMultiDictProxy[str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or a date; None if it does not say."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
