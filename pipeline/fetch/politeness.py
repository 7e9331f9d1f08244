"""Politeness to one host: how many requests at a time, how far apart, and when to leave it alone.

One task at a time owns a host (DESIGN contract 6), so what holds here holds over the whole cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from m3w.pipeline.fetch.client import FetchError
from m3w.pipeline.fetch.section import Fetch

FAILURES_TO_GIVE_UP = 8
"""So many failures of the network in a row, without one answer between, and a host counts as down."""


class HostGate:
    """Lets requests to one host through: at most `connections` at a time, each `delay_s` after the one before.

    The time between two requests counts from when the first has left, not from when it was let through: what opening a
    connection takes cannot bring them closer together. `clock` and `sleep` are those of the event loop.
    """

    def __init__(self, connections: int, delay_s: float, *, max_pause_s: float):
        self._places = asyncio.Semaphore(connections)
        self._turn = asyncio.Lock()
        self._delay_s, self._max_pause_s = delay_s, max_pause_s
        self._next = 0.0
        self._failures = 0
        self.given_up: str | None = None
        """The status for everything that is still to be asked of this host; None while it is asked."""

    @asynccontextmanager
    async def request(self) -> AsyncIterator[Callable[[], None]]:
        """One request; the function it gives is to be called once the request has left.

        Raises `FetchError` with the status `given_up` if the host is left alone before it is this request's turn.
        """
        async with self._places:
            if not self._delay_s:
                await self._sleep_until_next()
                yield lambda: None
                return
            await self._turn.acquire()
            left = False

            def sent() -> None:
                nonlocal left
                if not left:
                    left = True
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
        """Keep at least `delay_s` between requests from now on, as a Crawl-delay asks; too much of it gives up."""
        if delay_s > self._max_pause_s:
            self.given_up = "crawl_delay_too_long"
        self._next = max(self._next, self._next + delay_s - self._delay_s)  # the one that told us counts, too
        self._delay_s = max(self._delay_s, delay_s)

    def pause(self, seconds: float, status: str) -> None:
        """Leave the host alone for a while; too long a while gives it up under `status`."""
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


class Gates:
    """The gates of all hosts that one part has to do with: its own, and those that a redirected robots.txt leads to."""

    def __init__(self, fetch: Fetch):
        self._fetch = fetch
        self._gates: dict[str, HostGate] = {}

    def of(self, host: str) -> HostGate:
        if host not in self._gates:
            manners = self._fetch.manners(host)
            self._gates[host] = HostGate(manners.connections, manners.delay_s, max_pause_s=self._fetch.max_pause_s)
        return self._gates[host]


def _now() -> float:
    return asyncio.get_running_loop().time()
