"""Consent: directives of owners; unclear ones permit nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m3w.pipeline.filters.consent import DIRECTIVES, OptOut, header_reserves, page_marks, refused_directive, tdm_rules
from m3w.recipes.errors import InputError


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ([], None),
        (["noai"], "noai"),
        (["NoAI, nofollow"], "noai"),
        (["all"], None),
        (["nofollow", "noimageindex"], "noimageindex"),
        (["none"], "noindex"),
        (["otherbot: noindex"], None),
        (["otherbot: noindex, noai"], None),
        (["otherbot: noindex", "noai"], "noai"),
        (["mthreew: noai"], "noai"),
        (["MThreeW : noai"], "noai"),
        (["*: noai"], "noai"),
        (["otherbot: nofollow, mthreew: noai"], "noai"),
        (["max-image-preview: large, noai"], "noai"),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], None),
        ([",,;"], None),
    ],
)
def test_x_robots_tag(headers: list[str], refused: str | None) -> None:
    assert refused_directive(headers, "mthreew", DIRECTIVES) == refused


def test_a_directive_that_the_recipe_does_not_refuse_is_none() -> None:
    assert refused_directive(["noindex, noai"], "mthreew", ["noimageai"]) is None


@pytest.mark.parametrize(("values", "reserves"), [([], False), (["0"], False), (["1"], True), (["yes"], True)])
def test_the_header_of_a_reservation(values: list[str], reserves: bool) -> None:
    assert header_reserves(values) is reserves


@pytest.mark.parametrize(
    ("rules", "path", "reserves"),
    [
        ([], "/a.png", False),
        ([{"location": "/", "tdm-reservation": 1}], "/a.png", True),
        ([{"location": "/", "tdm-reservation": 0}], "/a.png", False),
        ([{"location": "/a/", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}], "/a/b.png", False),
        ([{"location": "/", "tdm-reservation": 1}, {"location": "/a/", "tdm-reservation": 0}], "/a/b.png", True),
        ([{"location": "*.png$", "tdm-reservation": 1}], "/a.png", True),
        ([{"location": "*.png$", "tdm-reservation": 1}], "/a.png?x=1", False),
        ([{"location": "a/*/c", "tdm-reservation": "1"}], "/a/b/c.png", True),
        ([{"location": "/b", "tdm-reservation": 1}], "/a.png", False),
        ([{"tdm-reservation": 1}], "/a.png", True),
        ({"location": "/", "tdm-reservation": 1}, "/a.png", True),
    ],
)
def test_the_file_of_an_origin(rules: object, path: str, reserves: bool) -> None:
    assert tdm_rules(200, json.dumps(rules).encode()).reserves(path) is reserves


@pytest.mark.parametrize(
    ("status", "content", "reserves"),
    [
        (404, b"", False),
        (200, b"<!doctype html><title>Not found</title>", False),  # a site that answers everything with a page
        (503, b"", True),
        (429, b"", True),
        (200, b"", True),
        (200, b"{", True),
        (200, b"[1, 2]", True),
        (200, b'[{"location": "/"}]', True),
        (200, b"[" * 100_000, True),
        (200, b"\xff\xfe", True),
    ],
)
def test_what_is_unclear_reserves(status: int, content: bytes, reserves: bool) -> None:
    assert tdm_rules(status, content).reserves("/a.png") is reserves


def test_a_pages_headers_give_its_marks() -> None:
    assert page_marks({"x-robots-tag": "noai, none", "tdm-reservation": "1"}, "x") == {
        "noai",
        "noindex",
        "tdm-reservation",
    }
    assert page_marks({"x-robots-tag": "otherbot: noai", "tdm-reservation": "0"}, "x") == set()


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("https://photos.example/a.png", True),
        ("http://cdn.photos.example:8080/a.png", True),
        ("http://PHOTOS.example/a.png", True),
        ("http://otherphotos.example/a.png", False),
        ("http://photos.example.org/", False),
        ("http://site.example/one.png", True),
        ("https://site.example/one.png#top", True),
        ("http://site.example/one.png?size=2", False),
        ("http://site.example/two.png", False),
        ("data:image/png;base64,AAAA", False),
    ],
)
def test_lists_of_urls_and_domains(tmp_path: Path, url: str, covered: bool) -> None:
    (tmp_path / "no.txt").write_text("# those who wrote to us\nphotos.example\nhttp://site.example/one.png\n\n")
    assert OptOut.from_files([str(tmp_path / "no.txt")]).covers(url) is covered


@pytest.mark.parametrize("entry", ["two words.example", "localhost"])
def test_an_entry_that_is_neither_a_url_nor_a_domain_is_an_error(tmp_path: Path, entry: str) -> None:
    (tmp_path / "no.txt").write_text(entry)
    with pytest.raises(InputError, match="neither a URL nor a domain"):
        OptOut.from_files([str(tmp_path / "no.txt")])
