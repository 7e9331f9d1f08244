"""The rules of an origin (scheme, host, port) for crawlers: robots.txt (RFC 9309) and tdmrep.json.

They are read before anything else is requested from it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urljoin

from protego import Protego

from m3w.pipeline.crawl.urls import host_of, without_fragment
from m3w.pipeline.fetch.client import Client, FetchError, Response, retry_after
from m3w.pipeline.fetch.politeness import RateLimiters
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters import consent
from m3w.pipeline.filters.consent import TdmRules
from m3w.pipeline.filters.section import Consent

REDIRECTS = (301, 302, 303, 307, 308)
ATTEMPTS = 2
PAUSE_S = 2.0
"""Before the second attempt, unless the host asks for another pause."""
HOST_FAILURES = ("blocked_address", "blocked_scheme", "dns_failure", "invalid_url", "tls_failure", "connection_failed")
"""Statuses that say more about the host than that its robots.txt is unavailable."""
ROBOTS_MAX_BYTES = 500 * 1024
"""RFC 9309, section 2.5, asks for at least this much to be read."""
ROBOTS_MAX_REDIRECTS = 5
"""RFC 9309, section 2.3.1.2."""
HOURS_VALID = 24
"""RFC 9309, section 2.4: a robots.txt is used for at most this long."""


class Robots:
    """The rules of a robots.txt for one agent. `basis` says what they rest on, for the record."""

    def __init__(self, agent: str, *, basis: str, rules: Protego | None = None, allows_all: bool = False):
        self.basis = basis
        self._agent, self._rules, self._allows_all = agent, rules, allows_all
        self.delay_s = _delay(rules, agent)

    def allows(self, url: str) -> bool:
        return self._allows_all if self._rules is None else bool(self._rules.can_fetch(url, self._agent))


def robots_of(agent: str, status: int, content: bytes) -> Robots:
    """The rules after a response of `status`: if there is no such file, everything is allowed."""
    basis = f"robots.txt {status}"
    return _parsed(agent, basis, content) if 200 <= status < 300 else Robots(agent, basis=basis, allows_all=True)


def _parsed(agent: str, basis: str, content: bytes) -> Robots:
    text = content[:ROBOTS_MAX_BYTES].decode("utf-8-sig", "replace")
    try:
        return Robots(agent, basis=basis, rules=Protego.parse(text))
    except Exception as error:  # whatever a hostile file does to the parser: then nothing is allowed
        return Robots(agent, basis=f"{basis}, unreadable: {type(error).__name__}")


def _delay(rules: Protego | None, agent: str) -> float:
    """Seconds between two requests, by `Crawl-delay` and `Request-rate`."""
    if rules is None:
        return 0.0
    rate = rules.request_rate(agent)
    from_rate = rate.seconds / rate.requests if rate and rate.requests else 0.0
    return max(float(rules.crawl_delay(agent) or 0.0), from_rate)


@dataclass(frozen=True)
class Origin:
    """The rules of one origin."""

    robots: Robots
    tdm: TdmRules
    basis: str
    """What they rest on."""
    failure: FetchError | None
    """Why nothing may be requested: robots.txt (RFC 9309, section 2.3.1.4) or tdmrep.json was unavailable."""
    read_at: float
    """By the event loop's clock; the rules are valid for a day."""


async def read_origin(root: str, client: Client, limiters: RateLimiters, fetch: Fetch, wanted: Consent) -> Origin:
    """The rules of the origin whose root is `root` (`https://host:port/`), as far as the recipe respects them."""
    robots, tdm, basis = Robots(fetch.agent, basis="robots.txt not asked", allows_all=True), consent.NO_TDM_RULES, []
    now = asyncio.get_running_loop().time
    if fetch.robots:
        response = await _file(f"{root}robots.txt", client, limiters, ROBOTS_MAX_BYTES)
        if isinstance(response, FetchError):
            why = f"robots.txt {response}"
            return Origin(robots, tdm, why, _as_status(response, "robots_unreachable"), now())
        robots = robots_of(fetch.agent, response.status, response.content)
        basis.append(robots.basis)
        limiters.of(host_of(root)).slow_down(robots.delay_s)
    tdm_file = f"{root.rstrip('/')}{consent.TDM_FILE}"
    if wanted.tdm and robots.allows(tdm_file):
        response = await _file(tdm_file, client, limiters, consent.MAX_TDM_BYTES)
        if isinstance(response, FetchError):
            why = f"tdmrep.json {response}"
            return Origin(robots, tdm, ", ".join([*basis, why]), _as_status(response, "tdm_unreachable"), now())
        tdm = consent.tdm_rules(response.status, response.content)
        basis.append(f"tdmrep.json {response.status}")
    return Origin(robots, tdm, ", ".join(basis), None, now())


def _as_status(failure: FetchError, status: str) -> FetchError:
    """The failure of the origin's images: what is wrong with the host if that is known, otherwise `status`."""
    if str(failure) in HOST_FAILURES:
        return FetchError(str(failure), transient=failure.transient)
    return FetchError(status, transient=True)


async def _file(url: str, client: Client, limiters: RateLimiters, max_bytes: int) -> Response | FetchError:
    """The response to `url`, 2xx or 4xx, after at most five redirects to any host.

    5xx, and 429, which is a host in distress rather than one without the file, are failures after a second attempt.
    """
    error = FetchError("host_down")
    for _ in range(ATTEMPTS):
        try:
            response = await _followed(url, client, limiters, max_bytes)
            if 200 <= response.status < 300 or (400 <= response.status < 500 and response.status != 429):
                return response
            error = FetchError(f"http_{response.status}", http_status=response.status, transient=True, retryable=True)
            limiters.of(host_of(response.url)).pause(retry_after(response.headers) or PAUSE_S, str(error))
        except FetchError as failure:
            error = failure
        if not error.retryable or limiters.of(host_of(url)).given_up is not None:
            break
    return error


async def _followed(url: str, client: Client, limiters: RateLimiters, max_bytes: int) -> Response:
    """Each request is limited by the rate of the host that it goes to."""
    for _ in range(ROBOTS_MAX_REDIRECTS + 1):
        if not url.lower().startswith(("http://", "https://")):
            raise FetchError("blocked_scheme")
        async with AsyncExitStack() as slots, limiters.of(host_of(url)).request() as sent:
            response = await client.get(url, max_bytes=max_bytes, accept="*/*", slots=slots, sent=sent)
        if response.status not in REDIRECTS or "Location" not in response.headers:
            return response
        url = target(response)
    raise FetchError("too_many_redirects")


def target(response: Response) -> str:
    """The URL that a redirect leads to. Raises `FetchError`."""
    try:
        return without_fragment(urljoin(response.url, response.headers["Location"]))
    except ValueError as error:
        raise FetchError("invalid_url") from error
