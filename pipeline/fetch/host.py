"""Fetching from one host: its URLs in turn, its rules, retries, and when it is given up."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from m3w.pipeline.crawl.http_body import BodyError, undo_encodings
from m3w.pipeline.crawl.urls import host_of
from m3w.pipeline.fetch.client import Client, FetchError, Response, retry_after
from m3w.pipeline.fetch.origin import HOURS_VALID, REDIRECTS, Origin, read_origin, target
from m3w.pipeline.fetch.politeness import RateLimiters
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.consent import OPTED_OUT, TDM, TDM_FILE, OptOut, header_reserves, refused_directive
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import StoredImage
from m3w.schemas.document import OK

REDIRECTED = "redirected"
"""The status of a URL that redirects to another host; the task that owns that host fetches it."""
ACCEPT = "image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8"
BACK_OFF_S = 1.0
"""Before the second attempt; doubled before each further one."""
TRANSIENT_STATUSES = (408, 425, 429, *range(500, 600))
BUSY_STATUSES = (429, 503)
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A URL to be fetched."""

    location: str
    hops: int = 0
    """Redirects from other hosts that led here."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The result of a request, filled in step by step."""

    request: Request
    final_url: str
    """Where the last response came from; if `redirected`, where it leads."""
    status: str = ""
    """`ok`, `redirected`, or why there is no image."""
    image: StoredImage | None = None
    http_status: int | None = None
    hops: int = 0
    consent: str | None = None
    """What the decision to fetch the image or not rests on."""
    transient: bool = False
    """It may succeed on another day."""
    retryable: bool = False
    """It may succeed in a moment."""
    attempts: int = 0
    seconds: float = 0.0
    """Duration of the last response, without waiting for the rate limit."""
    fetched_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class FetchContext:
    """What the hosts of one part share."""

    fetch: Fetch
    consent: Consent
    client: Client
    limiters: RateLimiters
    prepare: Callable[[bytes], Awaitable[StoredImage]]
    """Bytes to a stored image; raises `NoImageError`."""
    opt_out: OptOut
    emit: Callable[[Outcome], None]


class HostFetch:
    """The requests of one host, to be fetched by `workers` concurrent calls of `run`."""

    def __init__(self, host: str, requests: list[Request], context: FetchContext):
        self._host, self._context = host, context
        self._limiter = context.limiters.of(host)
        self._waiting = [(0.0, number, 1, request) for number, request in enumerate(requests)]
        self._origins: dict[str, asyncio.Task[Origin]] = {}
        self.workers = min(context.fetch.politeness(host).connections, len(requests))

    async def run(self) -> None:
        """Fetch requests until none is waiting."""
        while self._waiting:
            not_before, number, attempt, request = heapq.heappop(self._waiting)
            if self._limiter.given_up is None:
                await asyncio.sleep(max(0.0, not_before - _now()))
            outcome = await self._outcome(request)
            outcome.attempts, outcome.fetched_at = attempt, datetime.now(UTC)
            if outcome.retryable and attempt < self._context.fetch.attempts and self._limiter.given_up is None:
                retry_at = _now() + BACK_OFF_S * 2 ** (attempt - 1)
                heapq.heappush(self._waiting, (retry_at, number, attempt + 1, request))
            else:
                self._context.emit(outcome)

    async def _outcome(self, request: Request) -> Outcome:
        """One attempt: the request, and its redirects on this host."""
        outcome = Outcome(request=request, final_url=request.location, hops=request.hops)
        try:
            while not outcome.status:
                await self._follow(outcome)
        except NoImageError as error:
            self._without_image(outcome, error)
        return outcome

    async def _follow(self, outcome: Outcome) -> None:
        """Request `outcome.final_url` and set the outcome's status, or the next final URL after a redirect."""
        if host_of(outcome.final_url) != self._host:
            outcome.status = REDIRECTED
            return
        outcome.consent = await self._permission(outcome.final_url)
        async with AsyncExitStack() as slots:
            response = await self._response(outcome.final_url, slots)
            outcome.http_status, outcome.seconds = response.status, response.seconds
            if response.status not in REDIRECTS or "Location" not in response.headers:
                outcome.image = await self._image(response)
                outcome.status = OK
                return
        outcome.final_url = target(response)
        outcome.hops += 1
        if outcome.hops > self._context.fetch.max_redirects:
            raise FetchError("too_many_redirects")

    async def _permission(self, url: str) -> str:
        """What the permission to request `url` rests on. Raises `FetchError` if it may not be requested."""
        if self._limiter.given_up is not None:
            raise FetchError(self._limiter.given_up, transient=True)
        if not url.lower().startswith(("http://", "https://")):
            raise FetchError("blocked_scheme")
        if self._context.opt_out.covers(url):
            raise _Refused(OPTED_OUT, "list")
        origin = await self._origin(url)
        if origin.failure is not None:
            raise _Refused(str(origin.failure), origin.basis, transient=origin.failure.transient)
        if not origin.robots.allows(url):
            raise _Refused("robots_disallowed", origin.robots.basis)
        parts = urlsplit(url)
        if origin.tdm.reserves((parts.path or "/") + (f"?{parts.query}" if parts.query else "")):
            raise _Refused(OPTED_OUT, f"{TDM_FILE} of the host")
        return origin.basis

    async def _origin(self, url: str) -> Origin:
        parts = urlsplit(url)
        root = f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}/"
        known = self._origins.get(root)
        if known is None or (known.done() and _now() - known.result().read_at > HOURS_VALID * 3600):
            context = self._context
            known = asyncio.create_task(
                read_origin(root, context.client, context.limiters, context.fetch, context.consent)
            )
            self._origins[root] = known
        return await known

    async def _response(self, url: str, slots: AsyncExitStack) -> Response:
        """The host's response: 200 or a redirect. Raises `FetchError` for any other."""
        try:
            async with self._limiter.request() as sent:
                response = await self._context.client.get(
                    url, max_bytes=self._context.fetch.max_image_mib * MIB, accept=ACCEPT, slots=slots, sent=sent
                )
        except FetchError as error:
            if error.retryable:
                self._limiter.failed()
            raise
        self._limiter.answered()
        if response.status == 200 or response.status in REDIRECTS:
            return response
        status = f"http_{response.status}"
        if response.status in BUSY_STATUSES:
            pause = retry_after(response.headers)
            self._limiter.pause(BACK_OFF_S if pause is None else pause, status)
        transient = response.status in TRANSIENT_STATUSES
        failure = FetchError(status, http_status=response.status, transient=transient, retryable=transient)
        failure.seconds = response.seconds
        raise failure

    async def _image(self, response: Response) -> StoredImage:
        if response.status != 200:
            raise FetchError(f"http_{response.status}")
        consent = self._context.consent
        tags = response.headers.getall("X-Robots-Tag", [])
        directive = refused_directive(tags, self._context.fetch.agent, consent.refuse)
        if directive is not None:
            raise _Refused(OPTED_OUT, f"X-Robots-Tag: {directive}")
        if consent.tdm and header_reserves(response.headers.getall(TDM, [])):
            raise _Refused(OPTED_OUT, f"header {TDM}")
        try:
            limit = self._context.fetch.max_image_mib * MIB
            content = undo_encodings(response.content, response.headers.get("Content-Encoding", ""), max_bytes=limit)
        except BodyError as error:
            raise FetchError(str(error)) from error
        return await self._context.prepare(content)

    def _without_image(self, outcome: Outcome, error: NoImageError) -> None:
        outcome.status = str(error)
        if isinstance(error, _Refused):
            outcome.consent = error.basis
        if isinstance(error, FetchError):
            outcome.transient, outcome.retryable = error.transient, error.retryable
            outcome.http_status = error.http_status or outcome.http_status
            outcome.seconds = error.seconds or outcome.seconds


class _Refused(FetchError):
    """An image that may not be fetched; `basis` says by whose rules."""

    def __init__(self, status: str, basis: str, *, transient: bool = False):
        super().__init__(status, transient=transient)
        self.basis = basis


def _now() -> float:
    return asyncio.get_running_loop().time()
