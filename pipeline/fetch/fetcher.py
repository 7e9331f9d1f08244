"""The fetcher: the requests of one part, host by host, to what became of each.

One event loop asks, so a slow host costs a place in the loop. With one CPU it also decodes, between two requests: a
thread beside it would make all of it take a sixth longer, by changes from one to the other. Large pictures, and all
where there are CPUs for them, go to threads, so that they hold no request up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from m3w.pipeline.crawl.urls import host_of
from m3w.pipeline.fetch.client import Client
from m3w.pipeline.fetch.guard import Guard
from m3w.pipeline.fetch.host import Desk, HostFetch, Outcome, Request
from m3w.pipeline.fetch.politeness import Gates
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.opt_out import OptOut
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.decode import TakesLongError
from m3w.pipeline.images.prepare import StoredImage

RESOLVERS = 32
"""Threads that wait for name servers."""
AT_ONCE_PIXELS = 4_000_000
"""Of a picture that is decoded between two requests; of a JPEG that is some tens of milliseconds."""
Look = Callable[[bytes, int | None], StoredImage]
"""Bytes to a stored image, or `NoImageError`; of more pixels than the number, `TakesLongError`."""


def fetch_all(
    requests: Iterable[Request],
    fetch: Fetch,
    consent: Consent,
    *,
    look: Look,
    emit: Callable[[Outcome], None],
    threads: int = 1,
) -> None:
    """Ask for all `requests` and hand what became of each to `emit`, one at a time, in the order of completion.

    `threads` is how many pictures are decoded at the same time, at most.
    """
    asyncio.run(_fetch_all(list(requests), fetch, consent, look, emit, threads))


async def _fetch_all(
    requests: list[Request],
    fetch: Fetch,
    consent: Consent,
    look: Look,
    emit: Callable[[Outcome], None],
    threads: int,
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(RESOLVERS, "resolve"))
    client = Client(
        Guard(fetch.allow_private, fetch.resolve),
        user_agent=user_agent(fetch),
        connections=fetch.connections,
        timeout_s=fetch.timeout_s,
    )
    with ThreadPoolExecutor(threads, "decode") as pool:
        async with client:
            desk = Desk(
                fetch=fetch,
                consent=consent,
                client=client,
                gates=Gates(fetch),
                look=_Decoder(look, pool, alone=threads == 1).look,
                opt_out=OptOut.from_files(consent.opt_out),
                emit=emit,
            )
            await _work_off([HostFetch(host, urls, desk) for host, urls in _by_host(requests)], fetch.connections)


class _Decoder:
    """Where pictures are decoded."""

    def __init__(self, look: Look, pool: ThreadPoolExecutor, *, alone: bool):
        self._look, self._pool, self._alone = look, pool, alone

    async def look(self, content: bytes) -> StoredImage:
        if self._alone:
            try:
                return self._look(content, AT_ONCE_PIXELS)
            except TakesLongError:
                pass
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._look, content, None)


def user_agent(fetch: Fetch) -> str:
    """What the recipe's agent calls itself: its name, version, and whom to write to."""
    return f"{fetch.agent}/{version('m3w')} (m3w; +{fetch.contact})"


def _by_host(requests: list[Request]) -> list[tuple[str, list[Request]]]:
    """Hosts with their requests, the one with the most first: it takes longest."""
    hosts: dict[str, list[Request]] = {}
    for request in requests:
        hosts.setdefault(host_of(request.location), []).append(request)
    return sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0]))


async def _work_off(hosts: list[HostFetch], at_once: int) -> None:
    """Run all workers of all hosts, `at_once` at a time, in the hosts' order."""
    workers = iter([host for host in hosts for _ in range(host.workers)])

    async def run() -> None:
        for host in workers:
            await host.work()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(run())
