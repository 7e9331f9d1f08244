"""The split by host."""

from __future__ import annotations

import pytest

from m3w.pipeline.dataset.join import split_of


def test_pages_of_one_host_are_in_one_split() -> None:
    for n in range(200):
        found = {
            split_of(f"{scheme}://{host}/{path}", 0.3)
            for scheme in ("http", "https")
            for host in (f"site-{n}.example", f"SITE-{n}.example:8080", f"user@site-{n}.example")
            for path in ("", "a", "b?c=d#e")
        }
        assert len(found) == 1


def test_the_share_of_hosts_is_about_the_fraction() -> None:
    validation = sum(split_of(f"http://site-{n}.example/", 0.05) == "validation" for n in range(20_000))
    assert 900 < validation < 1100


def test_a_host_stays_in_validation_when_the_fraction_grows() -> None:
    urls = [f"http://site-{n}.example/" for n in range(500)]
    small = {url for url in urls if split_of(url, 0.05) == "validation"}
    assert small < {url for url in urls if split_of(url, 0.2) == "validation"}


def test_no_fraction_is_no_validation() -> None:
    assert {split_of(f"http://site-{n}.example/", 0) for n in range(1000)} == {"train"}


@pytest.mark.parametrize("url", ["http://[::1/", "http://[bad]/", "http://ex\u2100mple.com/", "", "//", "http:///x"])
def test_a_url_without_a_valid_host_has_a_split(url: str) -> None:
    assert split_of(url, 0.05) == split_of(url, 0.05)
