"""Politeness to one host, on an event loop whose clock jumps instead of waiting."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from m3w.pipeline.fetch.client import FetchError
from m3w.pipeline.fetch.politeness import FAILURES_TO_GIVE_UP, RateLimiter
from m3w.pipeline.fetch.section import Fetch, Politeness


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits; records how long it would have."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0
        return super().select(0)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    selector = _JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def now() -> float:
    return asyncio.get_running_loop().time()


async def ask(
    limiter: RateLimiter, log: list[tuple[float, float]], *, connecting: float = 0, seconds: float = 0
) -> None:
    async with limiter.request() as sent:
        await asyncio.sleep(connecting)
        left = now()
        sent()
        await asyncio.sleep(seconds)
        log.append((left, now()))


def requests(limiter: RateLimiter, count: int, **times: float) -> list[tuple[float, float]]:
    """When each of `count` requests, all wanted at once, left and was answered."""
    log: list[tuple[float, float]] = []

    async def all_at_once() -> None:
        await asyncio.gather(*(ask(limiter, log, **times) for _ in range(count)))

    run(all_at_once())
    return sorted(log)


def test_requests_leave_the_delay_apart() -> None:
    times = [left for left, _ in requests(RateLimiter(2, 0.2, max_pause_s=60), 6)]
    assert [round(b - a, 6) for a, b in itertools.pairwise(times)] == [0.2] * 5


def test_what_a_connection_takes_does_not_bring_them_closer() -> None:
    times = [left for left, _ in requests(RateLimiter(2, 0.2, max_pause_s=60), 4, connecting=0.15)]
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.2


@pytest.mark.parametrize("delay_s", [0.0, 0.1])
def test_no_more_are_open_than_the_connections(delay_s: float) -> None:
    log = requests(RateLimiter(3, delay_s, max_pause_s=60), 12, seconds=5)
    for moment, _ in log:
        assert sum(left <= moment < done for left, done in log) <= 3


def test_a_crawl_delay_slows_and_never_hastens() -> None:
    limiter = RateLimiter(2, 0.2, max_pause_s=60)
    limiter.slow_down(3)
    limiter.slow_down(0.1)
    times = [left for left, _ in requests(limiter, 3)]
    assert [round(b - a, 6) for a, b in itertools.pairwise(times)] == [3, 3]
    assert limiter.given_up is None


def test_the_request_that_brought_the_crawl_delay_counts() -> None:
    async def main() -> float:
        limiter = RateLimiter(2, 0.2, max_pause_s=60)
        async with limiter.request():
            pass
        limiter.slow_down(3)
        async with limiter.request():
            return now()

    assert run(main()) == pytest.approx(3)


def test_too_long_a_delay_or_pause_gives_the_host_up() -> None:
    limiter = RateLimiter(2, 0.2, max_pause_s=60)
    limiter.slow_down(61)
    assert limiter.given_up == "crawl_delay_too_long"

    async def paused() -> str | None:
        limiter = RateLimiter(2, 0.2, max_pause_s=60)
        limiter.pause(3600, "http_429")
        return limiter.given_up

    assert run(paused()) == "http_429"


def test_requests_waiting_for_a_host_end_when_it_is_given_up() -> None:
    async def main() -> tuple[float, list[str]]:
        limiter = RateLimiter(3, 0.2, max_pause_s=60)
        async with limiter.request() as sent:
            sent()
            waiting = [asyncio.create_task(ask(limiter, [])) for _ in range(4)]
            await asyncio.sleep(0)
            limiter.pause(86_400, "http_429")
        found = await asyncio.gather(*waiting, return_exceptions=True)
        return now(), [f"{error}, transient: {error.transient}" for error in found if isinstance(error, FetchError)]

    assert run(main()) == (0.2, ["http_429, transient: True"] * 4)


def test_a_pause_holds_all_requests_back() -> None:
    async def main() -> float:
        limiter = RateLimiter(2, 0.0, max_pause_s=60)
        limiter.pause(30, "http_503")
        async with limiter.request():
            return now()

    assert run(main()) == 30


def test_a_host_that_only_fails_is_given_up_unless_it_answers_once() -> None:
    limiter = RateLimiter(2, 0.2, max_pause_s=60)
    for _ in range(FAILURES_TO_GIVE_UP - 1):
        limiter.failed()
    limiter.answered()
    for _ in range(FAILURES_TO_GIVE_UP - 1):
        limiter.failed()
    assert limiter.given_up is None
    limiter.failed()
    assert limiter.given_up == "host_down"


def test_a_request_that_fails_before_it_left_does_not_block_the_next() -> None:
    async def main() -> float:
        limiter = RateLimiter(1, 0.5, max_pause_s=60)
        with pytest.raises(ConnectionError):
            async with limiter.request():
                raise ConnectionError
        async with limiter.request():
            return now()

    assert run(main()) == 0.5


def test_the_recipe_names_hosts_with_other_limits() -> None:
    fetch = Fetch(
        hosts={"cdn.example": Politeness(connections=16, delay_s=0), "slow.cdn.example": Politeness(delay_s=5)}
    )
    assert fetch.politeness("cdn.example").connections == 16
    assert fetch.politeness("a.b.cdn.example").connections == 16
    assert fetch.politeness("x.slow.cdn.example").delay_s == 5
    assert fetch.politeness("notcdn.example") == fetch.politeness("example") == Politeness()
