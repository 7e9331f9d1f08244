"""`m3w build` over a crawl of pages with images on servers: the requests that these got, and the dataset's index."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.web.building import Built
from benchmarks.web.offline import SITES, OfflineWeb, closest_s
from benchmarks.web.runs import CONNECTIONS, CONTACT, DELAY_S, build_offline, index_rows
from benchmarks.web.server import is_rules

pytestmark = [pytest.mark.slow, pytest.mark.ray]

KILLED_HOSTS = ("american.test", "arbor.test", "legend.test", "rabbit.test")
LATE_S = 0.1
"""By which a busy machine may read one request later than the next."""


def _name(url: str) -> str:
    """As the server notes it: host and path."""
    return f"{urlsplit(url).hostname}{urlsplit(url).path}"


class Finished:
    """A build that was let through to its end."""

    def __init__(self, web: OfflineWeb, folder: Path):
        self.web, self.folder = web, folder
        self.built: Built = build_offline(web, folder)
        assert self.built.status == 0, self.built.output
        self.rows = {row["url"]: row for row in index_rows(folder / "run")}
        self.counters = ledger_counters(folder / "run")


def ledger_counters(run: Path) -> Counter[str]:
    total: Counter[str] = Counter()
    for file in (run / "ledger/fetch").glob("*.json"):
        total.update(json.loads(file.read_text())["counters"])
    return total


@pytest.fixture(scope="module")
def finished(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with OfflineWeb(shared_data / "web") as web:
        yield Finished(web, tmp_path_factory.mktemp("offline"))


def test_nothing_is_requested_that_a_host_disallows(finished: Finished) -> None:
    asked = [visit for visit in finished.web.visits if not is_rules(visit.path)]
    assert len(asked) > 200
    assert [visit for visit in asked if not finished.web.may_be_asked(visit.host, visit.path)] == []
    assert {visit.agent.partition("/")[0] for visit in finished.web.visits} == {"mthreew"}
    assert all(CONTACT in visit.agent for visit in finished.web.visits)


def test_every_image_ends_as_its_host_wants_it(finished: Finished) -> None:
    for url, row in finished.rows.items():
        if row["status"] not in ("declared_too_small", "http_404"):
            assert row["status"] == (finished.web.refusal(url) or "ok"), url
    statuses = Counter(row["status"] for row in finished.rows.values())
    assert statuses["ok"] > 200
    assert min(statuses[status] for status in ("robots_disallowed", "robots_unreachable", "opted_out")) > 3


def test_every_url_is_accounted_for(finished: Finished) -> None:
    counters, statuses = finished.counters, Counter(row["status"] for row in finished.rows.values())
    dropped = {name: n for name, n in counters.items() if name.startswith("image_urls_dropped.")}
    assert counters["image_urls"] == len(finished.rows) == counters["images"] + sum(dropped.values())
    assert dropped == {f"image_urls_dropped.{name}": n for name, n in statuses.items() if name != "ok"}


def test_every_url_is_asked_for_once(finished: Finished) -> None:
    asked = finished.web.asked()
    assert set(asked.values()) == {1}
    wanted = {_name(url): urlsplit(url) for url, row in finished.rows.items() if row["status"] != "declared_too_small"}
    first = {name for name, url in wanted.items() if finished.web.may_be_asked(url.hostname or "", url.path)}
    assert first == {name for name in asked if not name.startswith("cdn.rabbit.test")}


@pytest.mark.parametrize("host", sorted(SITES))
def test_a_host_gets_requests_at_its_pace(finished: Finished, host: str) -> None:
    visits = [visit for visit in finished.web.visits if visit.host == host]
    delay_s = max(DELAY_S, SITES[host].delay_s)
    after_rules = visits[1:]
    assert closest_s(visits) > DELAY_S - LATE_S
    assert closest_s(after_rules) > delay_s - LATE_S
    assert closest_s(visits, 10) > DELAY_S - LATE_S / 10
    assert max(visit.connections for visit in visits) <= CONNECTIONS


def test_a_worker_keeps_within_its_memory(finished: Finished) -> None:
    assert 0 < finished.built.worker_peak_mib < 1024


def test_a_build_killed_while_it_fetches_requests_nothing_again_that_was_committed(
    shared_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    few = {"urls_per_part": 50, "urls_per_host": 20, "host": {"connections": 1, "delay_s": 0.0}}

    def two_parts_are_done() -> bool:
        return len(list((run / "ledger/fetch").glob("*.json"))) >= 2

    with OfflineWeb(shared_data / "web") as web:
        killed = build_offline(web, tmp_path, hosts=KILLED_HOSTS, kill_when=two_parts_are_done, **few)
        assert killed.status == -9
        committed = index_rows(run)
        parts = {file.name for file in (run / "ledger/fetch").glob("*.json")}
        before = web.asked()
        ended = build_offline(web, tmp_path, hosts=KILLED_HOSTS, **few)
        assert ended.status == 0, ended.output
        again = web.asked() - before
        rows = index_rows(run)
    assert len(parts) >= 2 and parts < {file.name for file in (run / "ledger/fetch").glob("*.json")}
    done = {_name(row["url"]) for row in committed}
    assert len(done) > 10 and not done & set(again)
    assert again and set(again.values()) == {1}
    counters = ledger_counters(run)
    assert counters["image_urls"] == len(rows) == len({row["url"] for row in rows})
    assert {row["url"]: row["fetched_at"] for row in committed}.items() <= {
        row["url"]: row["fetched_at"] for row in rows
    }.items()
