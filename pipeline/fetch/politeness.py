"""Politeness to one host: how many requests at a time, how far apart, and when to stop asking.

One task at a time owns a host (DESIGN contract 6), so these limits hold over the whole cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from m3w.pipeline.fetch.client import FetchError
from m3w.pipeline.fetch.section import Fetch

FAILURES_TO_GIVE_UP = 8
"""After this many network failures in a row, without a response in between, a host counts as down."""


class RateLimiter:
    """Limits requests to one host: at most `connections` at a time, each `delay_s` after the one before.

    The delay counts from when the previous request was sent, not from when it was admitted: the time that opening a
    connection takes cannot bring two requests closer together. Clock and sleep are those of the event loop.
    """

    def __init__(self, connections: int, delay_s: float, *, max_pause_s: float):
        self._slots = asyncio.Semaphore(connections)
        self._turn = asyncio.Lock()
        self._delay_s, self._max_pause_s = delay_s, max_pause_s
        self._next = 0.0
        self._failures = 0
        self.given_up: str | None = None
        """The status of all further requests to this host; None while it is asked."""

    @asynccontextmanager
    async def request(self) -> AsyncIterator[Callable[[], None]]:
        """One request; call the function that it gives once the request is sent.

        Raises `FetchError` with the status `given_up` if the host is given up before it is this request's turn.
        """
        async with self._slots:
            if not self._delay_s:
                await self._sleep_until_next()
                yield lambda: None
                return
            await self._turn.acquire()
            is_sent = False

            def sent() -> None:
                nonlocal is_sent
                if not is_sent:
                    is_sent = True
                    self._next = max(self._next, _now() + self._delay_s)
                    self._turn.release()

            try:
                await self._sleep_until_next()
                yield sent
            finally:
                sent()

    async def _sleep_until_next(self) -> None:
        while self.given_up is None and (wait := self._next - _now()) > 0:
            await asyncio.sleep(wait)
        if self.given_up is not None:
            raise FetchError(self.given_up, transient=True)

    def slow_down(self, delay_s: float) -> None:
        """Keep at least `delay_s` between requests from now on, as Crawl-delay asks; give up if that is too long."""
        if delay_s > self._max_pause_s:
            self.given_up = "crawl_delay_too_long"
        self._next = max(self._next, self._next + delay_s - self._delay_s)  # counts for the last request, too
        self._delay_s = max(self._delay_s, delay_s)

    def pause(self, seconds: float, status: str) -> None:
        """Send nothing for `seconds`; give up with `status` if that is too long."""
        if seconds > self._max_pause_s:
            self.given_up = status
            return
        self._next = max(self._next, _now() + seconds)

    def answered(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        """Count a failure of the network."""
        self._failures += 1
        if self._failures >= FAILURES_TO_GIVE_UP and self.given_up is None:
            self.given_up = "host_down"


class RateLimiters:
    """The rate limiters of all hosts of one part: its own, and those that a robots.txt redirects to."""

    def __init__(self, fetch: Fetch):
        self._fetch = fetch
        self._limiters: dict[str, RateLimiter] = {}

    def of(self, host: str) -> RateLimiter:
        if host not in self._limiters:
            limits = self._fetch.politeness(host)
            self._limiters[host] = RateLimiter(limits.connections, limits.delay_s, max_pause_s=self._fetch.max_pause_s)
        return self._limiters[host]


def _now() -> float:
    return asyncio.get_running_loop().time()
