"""Block lists: what matches, what only looks similar, and invalid lists."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import yaml

from m3w.pipeline.filters.blocklist import BlockList, adult_words
from m3w.pipeline.filters.section import BlockedUrls
from m3w.pipeline.recipe import parse_recipe
from m3w.pipeline.recipe.recipe import Recipe
from m3w.recipes.errors import InputError


def test_a_domain_takes_the_names_below_it_and_no_neighbours() -> None:
    blocked = BlockList(domains=["bad.example", "evil.bad.test"])
    for url in (
        "http://bad.example/",
        "https://www.bad.example:8080/a",
        "http://u@A.B.BAD.example./",
        "http://bad.example",
    ):
        assert blocked.reason(url) == "blocked_domain", url
    for url in (
        "http://notbad.example/",
        "http://bad.example.org/",
        "http://bad.test/",
        "http://x.example/bad.example",
    ):
        assert blocked.reason(url) is None, url


def test_a_name_in_another_script_is_the_same_domain_either_way() -> None:
    blocked = BlockList(domains=["xn--bcher-kva.example"])
    for written in ("xn--bcher-kva.example", "bücher.example"):
        assert blocked.reason(f"http://{written}/") == "blocked_domain"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://shop.example/logo.png", True),
        ("http://shop.example/img/LOGO_200x50.png", True),
        ("http://shop.example/img/logo2.png", True),
        ("http://logo.shop.example/1.png", True),
        ("http://shop.example/a%2Dlogo.png", True),
        ("http://shop.example/%6Cogo.png", True),
        ("http://shop.example/logos/1.png", False),
        ("http://prologo.example/1.png", False),
        ("http://shop.example/1.png?kind=logo", False),
        ("http://shop.example/1.png#logo", False),
        ("data:image/png;base64,logo", False),
    ],
)
def test_a_word_is_a_whole_word_of_host_or_path(url: str, found: bool) -> None:
    assert BlockList(words=["Logo"]).reason(url) == ("blocked_word" if found else None)


def test_a_word_with_a_digit_is_matched_as_it_is() -> None:
    blocked = BlockList(words=["mp3"])
    assert blocked.reason("http://a.example/free-mp3/") == "blocked_word"
    assert blocked.reason("http://a.example/mp4/") is None


def test_a_substring_matches_anywhere_in_host_and_path() -> None:
    blocked = BlockList(substrings=["Sex"])
    assert blocked.reason("http://essex.example/") == "blocked_substring"
    assert blocked.reason("http://a.example/?sex=f") is None


def test_the_shipped_list_leaves_ordinary_places_and_health_alone() -> None:
    blocked = BlockList(adult_words=adult_words())
    assert blocked.reason("http://a.example/XXX-videos/1") == "adult_word"
    assert blocked.reason("http://porn.a.example/") == "adult_word"
    for url in (
        "http://essex.example/",
        "http://a.example/sex-education",
        "http://a.example/analysis/titanic",
        "http://scunthorpe.example/",
    ):
        assert blocked.reason(url) is None, url


def test_a_url_that_cannot_be_read_is_blocked_once_there_is_a_list() -> None:
    assert BlockList(domains=["a.example"]).reason("http://[bad/") == "malformed_url"
    assert BlockList().reason("http://[bad/") is None
    assert BlockList(words=["a"]).reason("http://a.example/" + "%" * 100_000) == "blocked_word"


def test_lists_are_read_with_comments_and_compression(tmp_path: Path) -> None:
    (tmp_path / "domains.txt").write_text(
        "# mine\n\n*.Bad.example # the worst\n.evil.test\nbücher.example\n", "utf-8-sig"
    )
    (tmp_path / "words.txt.gz").write_bytes(gzip.compress("casino\n博彩\n".encode()))
    section = BlockedUrls(domain_files=[str(tmp_path / "domains.txt")], word_files=[str(tmp_path / "words.txt.gz")])
    blocked = BlockList.from_recipe(section)
    assert blocked.reason("http://bad.example") == blocked.reason("http://a.evil.test") == "blocked_domain"
    assert blocked.reason("http://bücher.example") == "blocked_domain"
    assert (
        blocked.reason("http://a.example/%E5%8D%9A%E5%BD%A9/")
        == blocked.reason("http://a.example/casino")
        == "blocked_word"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"http://bad.example/\n", "no domain"),
        (b"bad example\n", "no domain"),
        (b"\xff\xfe\n", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_list_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as error:
        BlockList.from_recipe(BlockedUrls(domain_files=[str(path)]))
    assert str(path) in str(error.value)


def test_a_word_list_holds_words(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("two words\n")
    with pytest.raises(InputError, match="no single word"):
        BlockList.from_recipe(BlockedUrls(word_files=[str(tmp_path / "words.txt")]))


def test_a_changed_list_changes_fingerprints_and_a_moved_one_does_not(tmp_path: Path, fingerprints: Any) -> None:
    def filtering(path: Path) -> str:
        fingerprint: str = fingerprints(_recipe(pages={"domain_files": [str(path)]}))["filter"]
        return fingerprint

    first, moved = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("bad.example\n")
    moved.write_text("bad.example\n")
    before = filtering(first)
    assert before == filtering(moved)
    first.write_text("evil.example\n")
    assert before != filtering(first)
    first.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        filtering(first)


def test_a_recipe_with_lists_comes_back_from_its_yaml(tmp_path: Path) -> None:
    recipe = _recipe(images={"word_files": [str(tmp_path / "w.txt")]})
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), "again") == recipe


def _recipe(**urls: Any) -> Recipe:
    return parse_recipe({"crawl": {"paths": ["a"]}, "urls": urls}, "test.yaml")
