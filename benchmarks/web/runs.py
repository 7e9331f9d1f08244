"""The runs over the offline web and the hostile web, for tests and for `python -m benchmarks.web`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from benchmarks.web.building import Built, build
from benchmarks.web.hostile import HostileServer
from benchmarks.web.offline import SITES, OfflineWeb, write_crawl
from benchmarks.web.part import Fetched, fetch_urls
from benchmarks.web.server import Server
from m3w.pipeline.fetch.host import REDIRECTED

CONTACT = "tests@example.org"
DELAY_S, CONNECTIONS = 0.2, 2
HOSTILE_TIMEOUT_S, HOSTILE_ATTEMPTS = 3, 2
Row = dict[str, Any]


def build_offline(
    web: OfflineWeb,
    folder: Path,
    *,
    hosts: Iterable[str] = tuple(SITES),
    kill_when: Callable[[], bool] = lambda: False,
    **fetch: Any,
) -> Built:
    """Build or resume the run `folder/run` over a crawl of `hosts`, with the section `fetch`."""
    crawl = folder / "crawl.warc.gz"
    if not crawl.exists():
        write_crawl(web.pages(hosts), crawl)
    section = {
        "source": "web",
        "contact": CONTACT,
        "host": {"connections": CONNECTIONS, "delay_s": DELAY_S},
        "allow_private": [f"127.0.0.1:{web.port}"],
        "resolve": dict.fromkeys(SITES, "127.0.0.1"),
        **fetch,
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"crawl": {"paths": [str(crawl)]}, "fetch": section}))
    return build(recipe, folder / "run", kill_when=kill_when)


def index_rows(run: Path) -> list[Row]:
    """The status of each URL of a run, without the intermediate URLs of redirects."""
    files = sorted((run / "images/index").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist() if row["status"] != REDIRECTED]


@dataclass(frozen=True)
class HostileRun:
    """The results of fetching a hostile web."""

    expected: dict[str, str]
    fetched: Fetched
    private_connections: int
    """Connections to the port that nothing may connect to."""

    def wrong(self) -> dict[str, str]:
        """URLs that ended with a wrong status."""
        found = {row["url"]: row["status"] for row in self.fetched.rows}
        return {
            url: found.get(url, "not in the index")
            for url, status in self.expected.items()
            if found.get(url) not in status.split(" or ")
        }


def fetch_hostile(folder: Path) -> HostileRun:
    """Fetch all images of the hostile web into a run in `folder`."""
    with Server() as private, HostileServer(private.port) as web:
        section = {
            "source": "web",
            "contact": CONTACT,
            "timeout_s": HOSTILE_TIMEOUT_S,
            "attempts": HOSTILE_ATTEMPTS,
            "allow_private": [f"127.0.0.1:{web.port}"],
            "resolve": dict.fromkeys(web.names(), "127.0.0.1"),
        }
        expected = web.expected()
        return HostileRun(expected, fetch_urls(expected, folder, fetch=section), private.accepted)
