"""robots.txt as RFC 9309 has it."""

from __future__ import annotations

import pytest

from m3w.pipeline.fetch.origin import robots_of

URL = "http://site.example/a/picture.png"


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ("", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: *\nDisallow: /a/", False),
        ("User-agent: *\nDisallow: /b/", True),
        ("User-agent: *\nDisallow: /a/\nAllow: /a/picture", True),  # the longest match counts
        ("User-agent: *\nDisallow: /*.png$", False),
        ("User-agent: *\nDisallow: /*.gif$", True),
        ("User-agent: mthreew\nDisallow: /", False),
        ("User-agent: MThreeW\nDisallow: /", False),  # names have no case
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: mthreew\nAllow: /", True),  # the group that names us, and it alone
        ("User-agent: a\nUser-agent: mthreew\nDisallow: /a", False),
        ("\ufeffUser-agent: *\nDisallow: /", False),
        ("User-agent: *\r\nDisallow: /\r\n", False),
        ("<html><body>Not found</body></html>", True),
        ("User-agent: *\nDisallow: /A/", True),  # paths have
    ],
)
def test_the_rules_of_a_file(rules: str, allowed: bool) -> None:
    assert robots_of("mthreew", 200, rules.encode()).allows(URL) is allowed


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_without_a_file_everything_is_allowed(status: int) -> None:
    assert robots_of("mthreew", status, b"User-agent: *\nDisallow: /").allows(URL)


@pytest.mark.parametrize(
    ("rules", "seconds"),
    [
        ("User-agent: *\nCrawl-delay: 7", 7.0),
        ("User-agent: *\nCrawl-delay: 0.5", 0.5),
        ("User-agent: *\nRequest-rate: 1/10", 10.0),
        ("User-agent: other\nCrawl-delay: 7", 0.0),
        ("User-agent: *\nCrawl-delay: soon", 0.0),
        ("", 0.0),
    ],
)
def test_the_delay_demanded_by_robots_txt(rules: str, seconds: float) -> None:
    assert robots_of("mthreew", 200, rules.encode()).delay_s == seconds


def test_a_hostile_pattern_takes_no_time() -> None:
    rules = robots_of("mthreew", 200, b"User-agent: *\nDisallow: /" + b"*a" * 5000 + b"b\n")
    assert rules.allows("http://site.example/" + "a" * 2000)


def test_bytes_that_are_no_text_are_read_as_far_as_they_go() -> None:
    assert not robots_of("mthreew", 200, b"\xff\xfe\x00\nUser-agent: *\nDisallow: /a").allows(URL)
