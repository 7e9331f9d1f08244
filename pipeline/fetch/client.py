"""An HTTP client for addresses that the guard allows, with limits on everything that a server can stretch.

Built on aiohttp, which keeps connections open and has public hooks for the resolver and for creating sockets. Redirects
are not followed here, cookies and proxies of the environment are not used, and bodies are returned as sent.
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
"""Bytes of an error page that are read so that the connection can be reused."""
LARGE = 2**20
"""Bytes; a longer body waits for one of a few slots, so that many at once do not fill the memory."""
LARGE_AT_ONCE = 4
LEGAL_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Za-z_~\[\]]+")
"""URLs as extraction writes them; a redirect's location may be anything."""
MAX_HEADER_BYTES, MAX_HEADERS = 8190, 128


class FetchError(NoImageError):
    """A request gave no image. The message is the image's status."""

    def __init__(
        self, status: str, *, http_status: int | None = None, transient: bool = False, retryable: bool = False
    ):
        super().__init__(status)
        self.http_status = http_status
        self.transient = transient
        """It may succeed on another day."""
        self.retryable = retryable
        """It may succeed in a moment."""
        self.seconds = 0.0
        """How long the request took to fail."""


@dataclass(frozen=True, slots=True)
class Response:
    """A server's response."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    content: bytes
    seconds: float
    """From the connection to the last byte."""


class Client:
    """Sends requests. `connections` is the maximum that are open at a time."""

    def __init__(self, guard: Guard, *, user_agent: str, connections: int, timeout_s: float):
        self._guard, self._user_agent = guard, user_agent
        self._connections, self._timeout_s = connections, timeout_s
        self._large_slots = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                resolver=self._guard,
                use_dns_cache=False,  # the guard caches the addresses that it has checked
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

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        accept: str,
        slots: AsyncExitStack,
        sent: Callable[[], None] = lambda: None,
    ) -> Response:
        """The response to one GET of `url`. Raises `FetchError`.

        `slots` holds the slot of a large body: close it once the body is no longer needed. `sent` is called when the
        request is sent. The body of a response that is not 2xx is not returned.
        """
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                response, content = await self._response(url, max_bytes, accept, sent, slots, deadline)
        except Exception as error:
            failure = error if isinstance(error, FetchError) else _failure(error)
            failure.seconds = time.perf_counter() - started
            raise failure from error
        seconds = time.perf_counter() - started
        return Response(url=url, status=response.status, headers=response.headers, content=content, seconds=seconds)

    async def _response(
        self,
        url: str,
        max_bytes: int,
        accept: str,
        sent: Callable[[], None],
        slots: AsyncExitStack,
        deadline: asyncio.Timeout,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        context = SimpleNamespace(sent=sent)
        headers = {"Accept": accept}
        async with self._session.get(
            _as_written(url), allow_redirects=False, headers=headers, trace_request_ctx=context
        ) as response:
            content = b""
            if 200 <= response.status < 300:
                content = await self._body(response, max_bytes, slots, deadline)
            elif response.content_length is not None and response.content_length <= SMALL:
                await response.read()
            else:
                response.close()  # its body may have no end
            return response, content

    async def _body(
        self, response: aiohttp.ClientResponse, max_bytes: int, slots: AsyncExitStack, deadline: asyncio.Timeout
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
                await self._wait_for_slot(slots, deadline)
        return b"".join(chunks)

    async def _wait_for_slot(self, slots: AsyncExitStack, deadline: asyncio.Timeout) -> None:
        """Wait for the slot of a large body; the deadline is suspended, as the delay is ours and not the server's."""
        remaining = (deadline.when() or 0.0) - asyncio.get_running_loop().time()
        deadline.reschedule(None)
        await slots.enter_async_context(self._large_slots)
        deadline.reschedule(asyncio.get_running_loop().time() + remaining)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from retrying at once after a lost connection, bypassing the rate limits."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _failure(error) from error


def _as_written(url: str) -> URL:
    """`url` with its escapes unchanged: `%2C` and `,` differ to some servers, and in signed URLs."""
    return URL(url, encoded=True) if LEGAL_URL.fullmatch(url) else URL(url)


async def _sent(session: aiohttp.ClientSession, context: Any, parameters: object) -> None:
    context.trace_request_ctx.sent()


def _failure(error: Exception) -> FetchError:
    """A network error as a status."""
    if isinstance(error, TimeoutError):
        return FetchError("timeout", transient=True, retryable=True)
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, BlockedAddressError):
        return FetchError("blocked_address")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return FetchError("dns_failure", transient=True)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError | ssl.CertificateError):
        return FetchError("tls_failure")
    if isinstance(error, aiohttp.ClientConnectorError):
        return FetchError("connection_failed", transient=True, retryable=True)
    if isinstance(error, aiohttp.InvalidURL | ValueError | UnicodeError):
        return FetchError("invalid_url")
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchError("bad_response")
    if isinstance(error, aiohttp.ClientError | OSError):
        return FetchError("connection_lost", transient=True, retryable=True)
    raise error


def retry_after(headers: CIMultiDictProxy[str]) -> float | None:
    """The seconds of `Retry-After`, which may be a number or a date; None without a valid one."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
