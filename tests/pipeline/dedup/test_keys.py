"""What counts as the same page, text, paragraph or set of images."""

from __future__ import annotations

import pytest

from m3w.pipeline.dedup.keys import images_key, normal_url, page_key, paragraph_key, text_key

PAGE = "http://site.example/a/b"


@pytest.mark.parametrize(
    "url",
    [
        "https://site.example/a/b",
        "http://www.site.example/a/b/",
        "http://SITE.example:80/a/b#part",
        "https://site.example:443/a/b?",
        "http://site.example/a/b/index.html",
        "http://site.example/a/b/Default.aspx",
        "http://user:secret@site.example/%61/b",
    ],
)
def test_the_same_page(url: str) -> None:
    assert normal_url(url) == normal_url(PAGE) == "site.example/a/b"


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/a/b",
        "http://site.example/A/b",
        "http://site.example/a",
        "http://site.example:8080/a/b",
        "http://site.example/a/b?page=2",
        "http://m.site.example/a/b",
        "http://site.example/a/b/indexes.html",
    ],
)
def test_another_page(url: str) -> None:
    assert normal_url(url) != normal_url(PAGE)


def test_odd_urls_are_themselves() -> None:
    odd = ["", "http://[bad/1", "http://site.example:port/", "data:,", "http://site.example/\udc80", "x" * 100_000]
    assert len({page_key(url, None) for url in odd}) == len(odd)


def test_a_page_is_where_it_says_it_is_on_its_own_site_only() -> None:
    print_view = "http://site.example/a/b?print=1"
    assert page_key(print_view, "https://www.site.example/a/b") == page_key(PAGE, None)
    assert page_key(print_view, "http://elsewhere.example/a/b") == page_key(print_view, None)
    assert page_key(print_view, "") == page_key(print_view, None) != page_key(PAGE, None)


def test_the_same_text_in_another_dress() -> None:
    same = text_key(["One  two", None, "THREE ﬁne"])
    assert text_key(["one two\nthree", "fine"]) == same
    assert text_key(["one two three fine 1"]) != same != text_key(["one two three. fine"])
    assert text_key([]) is text_key([None, " \n"]) is None


def test_a_paragraph_belongs_to_its_site() -> None:
    assert paragraph_key("a.example", "Sign  up!") == paragraph_key("a.example", "sign up!")
    assert paragraph_key("a.example", "Sign up!") != paragraph_key("b.example", "Sign up!")
    assert paragraph_key("a.exam", "ple") != paragraph_key("a.example", "")
    assert paragraph_key("a.example", " ") is None


def test_a_set_of_images_has_no_order_and_no_number() -> None:
    assert images_key(["http://a/1", "http://a/2"]) == images_key(["http://a/2#x", "http://a/1", "http://a/2"])
    assert images_key(["http://a/1"]) != images_key(["http://a/1", "http://a/2"])
    assert images_key([]) is None
