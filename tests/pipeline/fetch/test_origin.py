"""A host's rules are requested before its images, even if they redirect to another host."""

from __future__ import annotations

import itertools
from urllib.parse import urlsplit

from benchmarks.web.server import Connection, Server, Visit
from m3w.pipeline.fetch.fetcher import fetch_all
from m3w.pipeline.fetch.host import Outcome, Request
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.prepare import StoredImage

DELAY_S, LATE_S = 0.15, 0.05
RULES = "rules.test"


class SharedRules(Server):
    """Hosts whose robots.txt lies on another host, which has an image of its own, too."""

    async def answer(self, visit: Visit, connection: Connection) -> None:
        if visit.path == "/robots.txt" and visit.host != RULES:
            await connection.send(301, b"", f"Location: {self.url(RULES, '/robots.txt')}")
        elif visit.path == "/robots.txt":
            await connection.send(200, b"User-agent: *\nDisallow: /closed/\n")
        else:
            await connection.send(404)


def nothing(content: bytes, at_once: int | None) -> StoredImage:
    raise AssertionError("no image is served")


def test_a_robots_txt_on_another_host_counts_and_is_fetched_at_that_hosts_pace() -> None:
    hosts = [f"host{number}.test" for number in range(4)]
    outcomes: list[Outcome] = []
    with SharedRules() as web:
        fetch = Fetch(
            source="web",
            contact="tests@example.org",
            allow_private=[f"127.0.0.1:{web.port}"],
            resolve=dict.fromkeys([*hosts, RULES], "127.0.0.1"),
            host={"connections": 2, "delay_s": DELAY_S},
        )
        requests = [Request(location=web.url(host, path)) for host in [*hosts, RULES] for path in ("/open", "/closed/")]
        fetch_all(requests, fetch, Consent(tdm=False), prepare=nothing, emit=outcomes.append)
        times = [visit.at for visit in web.visits if visit.host == RULES]
    found = {(urlsplit(outcome.request.location).path, outcome.status) for outcome in outcomes}
    assert found == {("/open", "http_404"), ("/closed/", "robots_disallowed")}
    assert len(times) == len(hosts) + 2
    assert min(b - a for a, b in itertools.pairwise(times)) > DELAY_S - LATE_S
