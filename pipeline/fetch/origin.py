"""What an origin (scheme, host, port) says to crawlers before anything else is asked of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urljoin

from m3w.pipeline.crawl.urls import host_of, without_fragment
from m3w.pipeline.fetch import robots
from m3w.pipeline.fetch.client import Answer, Client, FetchError, pause_of
from m3w.pipeline.fetch.politeness import Gates
from m3w.pipeline.fetch.robots import Robots
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters import consent
from m3w.pipeline.filters.consent import TdmRules
from m3w.pipeline.filters.section import Consent

REDIRECTS = (301, 302, 303, 307, 308)
ATTEMPTS = 2
PAUSE_S = 2.0
"""Before the second attempt, if the host does not ask for another pause."""
HOST_FAILURES = ("blocked_address", "blocked_scheme", "dns_failure", "invalid_url", "tls_failure", "connection_failed")
"""Statuses that say more of the host than that its robots.txt was not to be had."""


@dataclass(frozen=True)
class Origin:
    """The rules of one origin."""

    robots: Robots
    tdm: TdmRules
    basis: str
    """What they rest on."""
    failure: FetchError | None
    """Why nothing may be asked for: robots.txt (RFC 9309, section 2.3.1.4) or tdmrep.json could not be had."""
    asked_at: float
    """By the event loop's clock; the rules hold for a day."""


async def ask_origin(root: str, client: Client, gates: Gates, fetch: Fetch, wanted: Consent) -> Origin:
    """The rules of the origin whose root is `root` (`https://host:port/`), as far as the recipe asks for them."""
    rules, tdm, basis = robots.no_rules(fetch.agent), consent.NO_TDM_RULES, []
    now = asyncio.get_running_loop().time
    if fetch.robots:
        found = await _file(f"{root}robots.txt", client, gates, robots.MAX_BYTES)
        if isinstance(found, FetchError):
            why = f"robots.txt {found}"
            return Origin(rules, tdm, why, _as_status(found, "robots_unreachable"), now())
        rules = robots.robots_of(fetch.agent, found.status, found.content)
        basis.append(rules.basis)
        gates.of(host_of(root)).slow_down(rules.delay_s)
    tdm_file = f"{root.rstrip('/')}{consent.TDM_FILE}"
    if wanted.tdm and rules.allows(tdm_file):
        found = await _file(tdm_file, client, gates, consent.MAX_TDM_BYTES)
        if isinstance(found, FetchError):
            why = f"tdmrep.json {found}"
            return Origin(rules, tdm, ", ".join([*basis, why]), _as_status(found, "tdm_unreachable"), now())
        tdm = consent.tdm_rules(found.status, found.content)
        basis.append(f"tdmrep.json {found.status}")
    return Origin(rules, tdm, ", ".join(basis), None, now())


def _as_status(failure: FetchError, status: str) -> FetchError:
    """What the origin's images get for a file that could not be had: what is wrong with the host, if that is known,
    else `status`."""
    if str(failure) in HOST_FAILURES:
        return FetchError(str(failure), transient=failure.transient)
    return FetchError(status, transient=True)


async def _file(url: str, client: Client, gates: Gates, max_bytes: int) -> Answer | FetchError:
    """The answer to `url`, 2xx or 4xx, after at most five redirects to whatever host (RFC 9309, section 2.3.1.2).

    5xx, and 429, which is a host in distress and not one without the file, are tried once more and are failures then.
    """
    error = FetchError("host_down")
    for _ in range(ATTEMPTS):
        try:
            answer = await _followed(url, client, gates, max_bytes)
            if 200 <= answer.status < 300 or (400 <= answer.status < 500 and answer.status != 429):
                return answer
            error = FetchError(f"http_{answer.status}", http_status=answer.status, transient=True, again=True)
            gates.of(host_of(answer.url)).pause(pause_of(answer.headers) or PAUSE_S, str(error))
        except FetchError as failure:
            error = failure
        if not error.again or gates.of(host_of(url)).given_up is not None:
            break
    return error


async def _followed(url: str, client: Client, gates: Gates, max_bytes: int) -> Answer:
    """Each request at the pace of the host that it goes to."""
    for _ in range(robots.MAX_REDIRECTS + 1):
        if not url.lower().startswith(("http://", "https://")):
            raise FetchError("blocked_scheme")
        async with AsyncExitStack() as places, gates.of(host_of(url)).request() as sent:
            answer = await client.ask(url, max_bytes=max_bytes, accept="*/*", places=places, sent=sent)
        if answer.status not in REDIRECTS or "Location" not in answer.headers:
            return answer
        url = target(answer)
    raise FetchError("too_many_redirects")


def target(answer: Answer) -> str:
    """Where a redirect leads. Raises `FetchError`."""
    try:
        return without_fragment(urljoin(answer.url, answer.headers["Location"]))
    except ValueError as error:
        raise FetchError("invalid_url") from error
