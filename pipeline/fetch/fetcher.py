"""The fetcher: the requests of one part, host by host, to the outcome of each.

One event loop sends all requests, so a slow host costs one task in it. With one CPU it also decodes, between two
requests: a separate thread would make everything take a sixth longer, by switching between the two. Large pictures, and
all pictures if there are CPUs for them, are decoded in threads, so that they delay no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from m3w.pipeline.crawl.urls import host_of
from m3w.pipeline.fetch.client import Client
from m3w.pipeline.fetch.guard import Guard
from m3w.pipeline.fetch.host import FetchContext, HostFetch, Outcome, Request
from m3w.pipeline.fetch.politeness import RateLimiters
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.consent import OptOut
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.decode import TakesLongError
from m3w.pipeline.images.prepare import StoredImage

RESOLVERS = 32
"""Threads that wait for name servers."""
AT_ONCE_PIXELS = 4_000_000
"""Of a picture that is decoded between two requests; for a JPEG some tens of milliseconds."""
Prepare = Callable[[bytes, int | None], StoredImage]
"""Bytes to a stored image; raises `NoImageError`, and `TakesLongError` for more pixels than the number."""


def fetch_all(
    requests: Iterable[Request],
    fetch: Fetch,
    consent: Consent,
    *,
    prepare: Prepare,
    emit: Callable[[Outcome], None],
    threads: int = 1,
) -> None:
    """Fetch all `requests` and pass the outcome of each to `emit`, one at a time, in the order of completion.

    `threads` is the maximum number of pictures that are decoded at the same time.
    """
    asyncio.run(_fetch_all(list(requests), fetch, consent, prepare, emit, threads))


async def _fetch_all(
    requests: list[Request],
    fetch: Fetch,
    consent: Consent,
    prepare: Prepare,
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
            context = FetchContext(
                fetch=fetch,
                consent=consent,
                client=client,
                limiters=RateLimiters(fetch),
                prepare=_Decoder(prepare, pool, alone=threads == 1).prepare,
                opt_out=OptOut.from_files(consent.opt_out),
                emit=emit,
            )
            hosts = [HostFetch(host, urls, context) for host, urls in _by_host(requests)]
            await _run_workers(hosts, fetch.connections)


class _Decoder:
    """Decodes pictures in the event loop or in threads."""

    def __init__(self, prepare: Prepare, pool: ThreadPoolExecutor, *, alone: bool):
        self._prepare, self._pool, self._alone = prepare, pool, alone

    async def prepare(self, content: bytes) -> StoredImage:
        if self._alone:
            try:
                return self._prepare(content, AT_ONCE_PIXELS)
            except TakesLongError:
                pass
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._prepare, content, None)


def user_agent(fetch: Fetch) -> str:
    """The User-Agent of a recipe: its agent's name, version, and the contact."""
    return f"{fetch.agent}/{version('m3w')} (m3w; +{fetch.contact})"


def _by_host(requests: list[Request]) -> list[tuple[str, list[Request]]]:
    """Hosts with their requests, the one with the most first: it takes longest."""
    hosts: dict[str, list[Request]] = {}
    for request in requests:
        hosts.setdefault(host_of(request.location), []).append(request)
    return sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0]))


async def _run_workers(hosts: list[HostFetch], concurrency: int) -> None:
    """Run all workers of all hosts, `concurrency` at a time, in the order of the hosts."""
    workers = iter([host for host in hosts for _ in range(host.workers)])

    async def run() -> None:
        for host in workers:
            await host.run()

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(run())
