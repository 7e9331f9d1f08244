"""Addresses as pages write them."""

from __future__ import annotations

import pytest

from m3w.pipeline.extract.urls import RejectedUrlError, resolve

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
def test_what_cannot_be_fetched_says_why(written: str, reason: str) -> None:
    with pytest.raises(RejectedUrlError, match=f"^{reason}$"):
        resolve(PAGE, written)
