"""All that is asked of one host: its URLs in turn, its rules, what is tried again and when it is left alone."""

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
from m3w.pipeline.fetch.client import Answer, Client, FetchError, pause_of
from m3w.pipeline.fetch.origin import REDIRECTS, Origin, ask_origin, target
from m3w.pipeline.fetch.politeness import Gates
from m3w.pipeline.fetch.robots import HOURS_VALID
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.consent import TDM, TDM_FILE, header_reserves, refused_directive
from m3w.pipeline.filters.opt_out import OPTED_OUT, OptOut
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import StoredImage
from m3w.schemas.document import OK

REDIRECTED = "redirected"
"""The status of a URL that leads on to another host, whose owner asks on."""
ACCEPT = "image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8"
BACK_OFF_S = 1.0
"""Before the second attempt; doubled before each further one."""
PASSING_STATUSES = (408, 425, 429, *range(500, 600))
BUSY_STATUSES = (429, 503)
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A URL to be asked for."""

    location: str
    hops: int = 0
    """Redirects that led here from other hosts."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a request; filled in on the way."""

    request: Request
    final_url: str
    """Where the last answer came from; of a `redirected` one, where it leads."""
    status: str = ""
    """`ok`, `redirected`, or why there is no image."""
    image: StoredImage | None = None
    http_status: int | None = None
    hops: int = 0
    consent: str | None = None
    """What the decision to take or to leave the image rests on."""
    transient: bool = False
    """Another day may tell otherwise."""
    again: bool = False
    """Another try in a moment may do better."""
    attempts: int = 0
    seconds: float = 0.0
    """That the last answer took, waiting for the host's turn not counted."""
    fetched_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the hosts of one part share."""

    fetch: Fetch
    consent: Consent
    client: Client
    gates: Gates
    look: Callable[[bytes], Awaitable[StoredImage]]
    """Bytes to a stored image, or `NoImageError`."""
    opt_out: OptOut
    emit: Callable[[Outcome], None]


class HostFetch:
    """The requests of one host, worked off by `workers` calls of `work` at the same time."""

    def __init__(self, host: str, requests: list[Request], desk: Desk):
        self._host, self._desk = host, desk
        self._gate = desk.gates.of(host)
        self._waiting = [(0.0, number, 1, request) for number, request in enumerate(requests)]
        self._origins: dict[str, asyncio.Task[Origin]] = {}
        self.workers = min(desk.fetch.manners(host).connections, len(requests))

    async def work(self) -> None:
        """Ask for what waits, until nothing does."""
        while self._waiting:
            not_before, number, attempt, request = heapq.heappop(self._waiting)
            if self._gate.given_up is None:
                await asyncio.sleep(max(0.0, not_before - _now()))
            outcome = await self._outcome(request)
            outcome.attempts, outcome.fetched_at = attempt, datetime.now(UTC)
            if outcome.again and attempt < self._desk.fetch.attempts and self._gate.given_up is None:
                again = _now() + BACK_OFF_S * 2 ** (attempt - 1)
                heapq.heappush(self._waiting, (again, number, attempt + 1, request))
            else:
                self._desk.emit(outcome)

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
        """Ask for `outcome.final_url`: it has a status then, or another final URL."""
        if host_of(outcome.final_url) != self._host:
            outcome.status = REDIRECTED
            return
        outcome.consent = await self._permission(outcome.final_url)
        async with AsyncExitStack() as places:
            answer = await self._answer(outcome.final_url, places)
            outcome.http_status, outcome.seconds = answer.status, answer.seconds
            if answer.status not in REDIRECTS or "Location" not in answer.headers:
                outcome.image = await self._image(answer)
                outcome.status = OK
                return
        outcome.final_url = target(answer)
        outcome.hops += 1
        if outcome.hops > self._desk.fetch.max_redirects:
            raise FetchError("too_many_redirects")

    async def _permission(self, url: str) -> str:
        """What `url` may be asked for on. Raises `FetchError` if it may not."""
        if self._gate.given_up is not None:
            raise FetchError(self._gate.given_up, transient=True)
        if not url.lower().startswith(("http://", "https://")):
            raise FetchError("blocked_scheme")
        if self._desk.opt_out.covers(url):
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
        if known is None or (known.done() and _now() - known.result().asked_at > HOURS_VALID * 3600):
            desk = self._desk
            known = asyncio.create_task(ask_origin(root, desk.client, desk.gates, desk.fetch, desk.consent))
            self._origins[root] = known
        return await known

    async def _answer(self, url: str, places: AsyncExitStack) -> Answer:
        """The host's answer, if it is one: 2xx or a redirect. Raises `FetchError`."""
        try:
            async with self._gate.request() as sent:
                answer = await self._desk.client.ask(
                    url, max_bytes=self._desk.fetch.max_image_mib * MIB, accept=ACCEPT, places=places, sent=sent
                )
        except FetchError as error:
            if error.again:
                self._gate.failed()
            raise
        self._gate.answered()
        if answer.status == 200 or answer.status in REDIRECTS:
            return answer
        status = f"http_{answer.status}"
        if answer.status in BUSY_STATUSES:
            pause = pause_of(answer.headers)
            self._gate.pause(BACK_OFF_S if pause is None else pause, status)
        passing = answer.status in PASSING_STATUSES
        failure = FetchError(status, http_status=answer.status, transient=passing, again=passing)
        failure.seconds = answer.seconds
        raise failure

    async def _image(self, answer: Answer) -> StoredImage:
        if answer.status != 200:
            raise FetchError(f"http_{answer.status}")
        consent = self._desk.consent
        tags = answer.headers.getall("X-Robots-Tag", [])
        directive = refused_directive(tags, self._desk.fetch.agent, consent.refuse)
        if directive is not None:
            raise _Refused(OPTED_OUT, f"X-Robots-Tag: {directive}")
        if consent.tdm and header_reserves(answer.headers.getall(TDM, [])):
            raise _Refused(OPTED_OUT, f"header {TDM}")
        try:
            limit = self._desk.fetch.max_image_mib * MIB
            content = undo_encodings(answer.content, answer.headers.get("Content-Encoding", ""), max_bytes=limit)
        except BodyError as error:
            raise FetchError(str(error)) from error
        return await self._desk.look(content)

    def _without_image(self, outcome: Outcome, error: NoImageError) -> None:
        outcome.status = str(error)
        if isinstance(error, _Refused):
            outcome.consent = error.basis
        if isinstance(error, FetchError):
            outcome.transient, outcome.again = error.transient, error.again
            outcome.http_status = error.http_status or outcome.http_status
            outcome.seconds = error.seconds or outcome.seconds


class _Refused(FetchError):
    """An image that may not be taken; `basis` says on whose word."""

    def __init__(self, status: str, basis: str, *, transient: bool = False):
        super().__init__(status, transient=transient)
        self.basis = basis


def _now() -> float:
    return asyncio.get_running_loop().time()
