"""The web of `../shared/data/web` on loopback, under several host names with different rules, and a crawl of it.

The files are served unchanged. The rules for crawlers are invented here, so that there is one of each kind;
`OfflineWeb.refusal` gives the images that a crawler must not keep if it follows the rules.
"""

from __future__ import annotations

import asyncio
import io
import math
import mimetypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from benchmarks.web.server import Connection, Server, Visit

CRAWLED = datetime(2026, 11, 1, tzinfo=UTC)
TDM_FILE = "/.well-known/tdmrep.json"
BOOKS = "gitenberg"
ANSWER_S = 0.3
"""Seconds that a response takes, so that requests would overlap if the fetcher let them."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One host."""

    folder: str
    pages: str = "*/*.htm"
    robots: tuple[int, str] = (404, "")
    """Status and content of robots.txt."""
    delay_s: float = 0.0
    """Seconds that it demands between requests."""
    tdm: str | None = None
    refused: dict[str, str] = field(default_factory=dict)
    """Patterns of image paths that an obedient crawler does not keep, with their statuses."""
    asked_first: str = "(?!)"
    """Those of them whose response carries the refusal: they are requested but not kept."""
    moved_to: str | None = None
    """The host to which its images are redirected."""


SITES = {
    "wiki.test": Site(
        folder="wikipedia-ray-charles",
        pages="A/*.html",
        robots=(200, "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /I/m/*.svg.png$\n"),
        refused={r"/I/m/.*\.svg\.png$": "robots_disallowed"},
    ),
    "american.test": Site(
        folder=f"{BOOKS}/american-adventures-18304",
        robots=(200, "User-agent: *\nDisallow: /18304-h/images/p3\nAllow: /18304-h/images/p32\n"),
        refused={"/18304-h/images/p3(?!2)": "robots_disallowed"},
    ),
    "arbor.test": Site(
        folder=f"{BOOKS}/arbor-day-17645",
        robots=(503, "Retry-After: 1"),
        refused={"": "robots_unreachable"},
    ),
    "girls.test": Site(
        folder=f"{BOOKS}/girls-own-paper-18195", robots=(200, "User-agent: *\nCrawl-delay: 0.5\n"), delay_s=0.5
    ),
    "legend.test": Site(
        folder=f"{BOOKS}/legend-land-20170",
        refused={"/20170-h/images/ill-001": "opted_out"},
        asked_first="/20170-h/images/ill-001",
    ),
    "colonel.test": Site(
        folder=f"{BOOKS}/little-colonels-hero-15122",
        tdm='[{"location": "/15122-h/images/s1", "tdm-reservation": 1}, {"location": "/", "tdm-reservation": 0}]',
        refused={"/15122-h/images/s1": "opted_out"},
    ),
    "rabbit.test": Site(folder=f"{BOOKS}/peter-rabbit-14838", moved_to="cdn.rabbit.test"),
    "cdn.rabbit.test": Site(
        folder=f"{BOOKS}/peter-rabbit-14838",
        pages="*.none",
        robots=(200, "User-agent: mthreew\nDisallow: /14838-h/images/peter1\n"),
        refused={"/14838-h/images/peter1": "robots_disallowed"},
    ),
}


class OfflineWeb(Server):
    """`root` is the folder `web` of the shared data."""

    def __init__(self, root: Path):
        super().__init__()
        self._root = root

    async def answer(self, visit: Visit, connection: Connection) -> None:
        await asyncio.sleep(ANSWER_S)
        site, path = SITES[visit.host], unquote(visit.path)
        file = self._root / site.folder / path.lstrip("/")
        if path == "/robots.txt":
            status, content = site.robots
            if status == 503:
                return await connection.send(status, b"", content)
            return await connection.send(status, content.encode(), "Content-Type: text/plain")
        if path == TDM_FILE and site.tdm is not None:
            return await connection.send(200, site.tdm.encode(), "Content-Type: application/json")
        if site.moved_to and "/images/" in path:
            return await connection.send(302, b"", f"Location: {self.url(site.moved_to, visit.path)}")
        if ".." in path or not file.is_file():
            return await connection.send(404)
        headers = [f"Content-Type: {mimetypes.guess_type(file.name)[0] or 'application/octet-stream'}"]
        if re.match(site.asked_first, path):
            headers.append("X-Robots-Tag: noai")
        return await connection.send(200, file.read_bytes(), *headers)

    def pages(self, hosts: Iterable[str] = tuple(SITES)) -> Iterator[tuple[str, bytes]]:
        """URL and unchanged HTML of each page of `hosts`."""
        for host in hosts:
            site = SITES[host]
            folder = self._root / site.folder
            for file in sorted(folder.glob(site.pages)):
                yield self.url(host, f"/{quote(str(file.relative_to(folder)))}"), file.read_bytes()

    def refusal(self, url: str) -> str | None:
        """The status that an obedient crawler gives an image URL of this web; None if it may have it."""
        parts = urlsplit(url)
        site = SITES[parts.hostname or ""]
        if site.moved_to:
            return self.refusal(self.url(site.moved_to, parts.path))
        path = unquote(parts.path)
        return next((status for pattern, status in site.refused.items() if re.match(pattern, path)), None)

    def may_be_asked(self, host: str, path: str) -> bool:
        """Whether an obedient crawler may request a path that does not hold rules itself."""
        status = self.refusal(self.url(host, path)) if SITES[host].moved_to is None else None
        return status is None or re.match(SITES[host].asked_first, unquote(path)) is not None


def closest_s(visits: list[Visit], requests: int = 1) -> float:
    """The shortest time in which `requests` requests followed each other, in seconds per request."""
    times = [visit.at for visit in visits]
    return min(((b - a) / requests for a, b in zip(times, times[requests:], strict=False)), default=math.inf)


def write_crawl(pages: Iterator[tuple[str, bytes]], path: Path) -> int:
    """Write a gzipped WARC of the pages without their images; returns the number of pages."""
    count = 0
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, html in pages:
            head = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            date = {"WARC-Date": CRAWLED.strftime("%Y-%m-%dT%H:%M:%SZ")}
            record = writer.create_warc_record(
                url, "response", payload=io.BytesIO(html), http_headers=head, warc_headers_dict=date
            )
            writer.write_record(record)
            count += 1
    return count
