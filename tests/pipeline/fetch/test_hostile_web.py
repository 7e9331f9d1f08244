"""A part that fetches from hostile servers: each URL ends with the right status, in bounded memory."""

from __future__ import annotations

import pytest

from benchmarks.web.runs import HostileRun, fetch_hostile

MOST_MIB = 1024


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HostileRun:
    return fetch_hostile(tmp_path_factory.mktemp("hostile"))


def test_every_trick_ends_with_the_status_it_must(run: HostileRun) -> None:
    assert len(run.expected) > 100
    assert run.wrong() == {}
    assert len(run.fetched.rows) == len(run.expected)


def test_every_url_is_counted_once(run: HostileRun) -> None:
    counters = run.fetched.counters
    dropped = sum(count for name, count in counters.items() if name.startswith("image_urls_dropped."))
    assert counters["image_urls"] == len(run.expected) == counters["images"] + dropped


def test_no_redirect_and_no_spelling_leads_to_a_private_address(run: HostileRun) -> None:
    assert sum("/to-" in url for url in run.expected) >= 10
    assert run.private_connections == 0


def test_no_server_fills_the_workers_memory(run: HostileRun) -> None:
    assert run.fetched.peak_mib < MOST_MIB


def test_only_transient_failures_are_retried_later(run: HostileRun) -> None:
    passing = {row["status"] for row in run.fetched.rows if row["transient"]}
    settled = {row["status"] for row in run.fetched.rows if not row["transient"]}
    assert passing == {"timeout", "connection_lost", "http_429", "http_500", "host_down", "robots_unreachable"}
    assert not passing & settled
