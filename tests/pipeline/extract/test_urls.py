"""Addresses as pages write them, and `srcset`: commas in addresses, both kinds of descriptor, the candidate to take."""

from __future__ import annotations

import pytest

from m3w.pipeline.extract.urls import RejectedUrlError, best, candidates, resolve

PAGE = "https://site.example/blog/page.html"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("a.png", "https://site.example/blog/a.png"),
        ("/a.png", "https://site.example/a.png"),
        ("//cdn.example/a.png", "https://cdn.example/a.png"),
        ("  http://x.example/a b.png\n", "http://x.example/a%20b.png"),
        ("http://x.example/é.png?q=ü", "http://x.example/%C3%A9.png?q=%C3%BC"),
        ("http://bücher.example/a.png", "http://xn--bcher-kva.example/a.png"),
        ("a%20b.png", "https://site.example/blog/a%20b.png"),
        ("a,b;c(1).png", "https://site.example/blog/a,b;c(1).png"),
    ],
)
def test_addresses_become_absolute_ascii(written: str, wanted: str) -> None:
    assert resolve(PAGE, written) == wanted


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("javascript:void(0)", "url_javascript"),
        ("JavaScript:x", "url_javascript"),
        ("blob:https://x/1", "url_blob"),
        ("file:///etc/passwd", "url_file"),
        ("mailto:a@b", "url_other_scheme"),
        ("http://[::1", "url_malformed"),
        ("http://a:port/", "url_malformed"),
        ("http:///a.png", "url_malformed"),
        ("http://a b/c.png", "url_malformed"),
        ("", "url_empty"),
        ("x" * 5000, "url_too_long"),
    ],
)
def test_an_image_that_cannot_be_fetched_has_a_reason(written: str, reason: str) -> None:
    with pytest.raises(RejectedUrlError, match=f"^{reason}$"):
        resolve(PAGE, written)


def test_widths_and_densities() -> None:
    assert candidates("a.jpg 320w, b.jpg 640w") == [("a.jpg", 320), ("b.jpg", 640)]
    assert candidates("a.jpg, b.jpg 1.5x") == [("a.jpg", 1000), ("b.jpg", 1500)]


def test_commas_inside_an_address_belong_to_it() -> None:
    assert candidates("/w_1,h_2/a.jpg 1x, /w_2,h_4/a.jpg 2x") == [("/w_1,h_2/a.jpg", 1000), ("/w_2,h_4/a.jpg", 2000)]


def test_a_comma_right_after_an_address_ends_it() -> None:
    assert [address for address, _ in candidates("a.jpg, b.jpg,")] == ["a.jpg", "b.jpg"]


def test_candidates_may_follow_without_a_space() -> None:
    assert candidates("a.jpg 600w,b.jpg 1024w") == [("a.jpg", 600), ("b.jpg", 1024)]


def test_the_smallest_that_is_large_enough_is_taken() -> None:
    assert best("a 100w, b 2000w, c 600w") == "c"
    assert best("a 100w, b 200w") == "b"
    assert best("one 1x, two 2x") == "one"


def test_nothing_usable() -> None:
    assert best("") is None
    assert best(" , ,") is None
    assert best("data:image/gif;base64,AAAA 1x") is None


def test_unreadable_descriptors_come_last() -> None:
    assert best("a wide, b 300w") == "b"
