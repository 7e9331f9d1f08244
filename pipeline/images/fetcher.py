"""The fetcher: the requests of one part, host by host, to what became of each.

One event loop asks, a few threads decode; so a slow host costs a place in the loop and a large picture no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from pipeline.images.client import Client
from pipeline.images.guard import Guard
from pipeline.images.host import Desk, HostFetch, Outcome, Request
from pipeline.images.manners import Gates
from pipeline.images.opt_out import OptOut
from pipeline.images.stored import StoredImage
from pipeline.recipe import Consent, Fetch
from pipeline.urls import host_of

RESOLVERS = 32
"""Threads that wait for name servers."""


def fetch_all(
    requests: Iterable[Request],
    fetch: Fetch,
    consent: Consent,
    *,
    look: Callable[[bytes], StoredImage],
    emit: Callable[[Outcome], None],
    threads: int = 1,
) -> None:
    """Ask for all `requests` and hand what became of each to `emit`, one at a time, in the order of completion.

    `look` turns bytes into a stored image or raises `NoImageError`; it runs on `threads` threads.
    """
    asyncio.run(_fetch_all(list(requests), fetch, consent, look, emit, threads))


async def _fetch_all(
    requests: list[Request],
    fetch: Fetch,
    consent: Consent,
    look: Callable[[bytes], StoredImage],
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
                look=lambda content: loop.run_in_executor(pool, look, content),
                opt_out=OptOut.from_files(consent.opt_out),
                emit=emit,
            )
            await _work_off([HostFetch(host, urls, desk) for host, urls in _by_host(requests)], fetch.connections)


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
