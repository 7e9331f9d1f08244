"""Image references from small pages: which address, which pictures not, and what is said of them."""

from __future__ import annotations

import base64

import pytest

from m3w.pipeline.extract import extract_page
from m3w.pipeline.extract.blocks import LONGEST_ADDRESS, LeftOut
from m3w.schemas.document import ImageReference

TEXT = "<p>" + "A sentence of the article, with a comma and some words. " * 12 + "</p>"
URL = "https://site.example/blog/page.html"


def images(html: str, left_out: LeftOut | None = None) -> list[ImageReference]:
    document = extract_page(f"<title>T</title><article>{TEXT}{html}{TEXT}</article>".encode(), URL, left_out=left_out)
    assert not isinstance(document, str)
    return [image for image in document.images if image is not None]


def addresses(html: str) -> list[str]:
    return [image.url.removeprefix("https://site.example/blog/") for image in images(html)]


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ('<img src="a.jpg">', ["a.jpg"]),
        ('<img src="blank.gif" data-src="a.jpg">', ["a.jpg"]),
        ('<img class="lazy" src="preview.jpg" data-original="a.jpg">', ["a.jpg"]),
        ('<img data-lazy-src="a.jpg">', ["a.jpg"]),
        ('<img data-srcset="s.jpg 100w, a.jpg 700w">', ["a.jpg"]),
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-flickity-lazyload="a.jpg">', ["a.jpg"]),
        ('<img src="t.jpg" srcset="t.jpg 150w, a.jpg 800w">', ["a.jpg"]),
        ('<img src="a.jpg" srcset="huge.jpg 4000w">', ["a.jpg"]),
        ('<picture><source srcset="b.webp" type="image/webp"><img src="a.jpg"></picture>', ["a.jpg"]),
        ('<picture><source srcset="b.webp" type="image/webp"><img alt=""></picture>', ["b.webp"]),
        ('<amp-img src="a.jpg" width="600" height="400"></amp-img>', ["a.jpg"]),
        ('<video poster="a.jpg" src="v.mp4"></video>', ["a.jpg"]),
        ("<div style=\"background-image: url('a.jpg')\"></div>", ["a.jpg"]),
        ('<a href="a.jpg"><img src="thumb.jpg" width="120" height="80"></a>', ["a.jpg"]),
        ('<a href="a.jpg"><img src="x-150x150.jpg"></a>', ["x-150x150.jpg"]),
        ('<a href="a.jpg"><img src="x-100x100.jpg"></a>', ["a.jpg"]),
        ('<a href="a.html"><img src="thumb.jpg" width="120"></a>', ["thumb.jpg"]),
        ('<figure itemid="a.jpg"><figcaption>c</figcaption></figure>', ["a.jpg"]),
    ],
)
def test_the_address_that_shows_the_picture(html: str, wanted: list[str]) -> None:
    assert addresses(html) == wanted


@pytest.mark.parametrize(
    "html",
    [
        '<img class="lazy" data-src="a.jpg"><noscript><img src="a.jpg"></noscript>',
        '<img src="small/a.jpg?w=20"><noscript><img src="a.jpg"></noscript>',
        '<noscript><img src="a.jpg"></noscript><img class="lazy" data-src="a.jpg">',
        '<noscript><img src="a.jpg"></noscript>',
    ],
)
def test_a_noscript_twin_counts_once(html: str) -> None:
    assert addresses(html) == ["a.jpg"]


def test_an_image_shown_twice_is_two_nodes() -> None:
    assert addresses(f'<img src="a.jpg">{TEXT}<img src="a.jpg">') == ["a.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ('<img src="a.jpg" width="1" height="1">', "image_pixel"),
        ('<img src="a.jpg" width="24" height="24">', "image_icon"),
        ('<img src="/img/spacer.gif">', "image_placeholder"),
        ('<img src="/icons/home.png">', "image_icon"),
        ('<img src="https://secure.gravatar.com/avatar/1?s=96">', "image_avatar"),
        ('<img class="author-avatar" src="a.jpg">', "image_avatar"),
        ('<img src="https://ad.doubleclick.net/x.jpg">', "image_tracker"),
        ('<img src="javascript:alert(1)">', "url_javascript"),
        ('<img src="blob:https://x.example/1">', "url_blob"),
        ('<img src="file:///c:/a.jpg">', "url_file"),
        ('<img src="http://[bad/a.jpg">', "url_malformed"),
        ('<img alt="nothing">', "image_without_address"),
    ],
)
def test_elements_that_are_not_images_are_counted(html: str, reason: str) -> None:
    left_out = LeftOut()
    assert images(html, left_out) == []
    assert left_out.references == {reason: 1}
    assert left_out.examples.keys() == {reason}


def test_the_first_addresses_of_each_reason_are_kept_as_examples() -> None:
    html = "".join(f'<img src="/img/{name}.gif">' for name in ("spacer", "spacer", "blank", "dot", "1x1"))
    html += '<img src="dot.gif" width="1"><img data-src="/late.gif" width="1">'
    twins = '<p><img src="a.jpg"><noscript><img src="a.jpg?s=2"></noscript></p>'
    long = f'<img src="javascript:{"x" * 9000}">'
    left_out = LeftOut()
    images(html + twins + long, left_out)
    assert left_out.references["image_placeholder"] == 5
    assert left_out.examples.pop("url_too_long") == ["javascript:".ljust(LONGEST_ADDRESS, "x")]
    assert left_out.examples == {
        "image_placeholder": [f"/img/{name}.gif" for name in ("spacer", "blank", "dot")],
        "image_pixel": ["dot.gif", "/late.gif"],
        "image_twin": ["https://site.example/blog/a.jpg"],
    }


def test_a_logo_shown_large_is_a_picture() -> None:
    assert addresses('<img src="/blog/old-logo.png" width="300" height="200">') == ["old-logo.png"]


def test_placeholders_are_known_by_being_shared() -> None:
    html = '<img src="x.gif" data-image="a.jpg"><img src="x.gif" data-image="b.jpg">'
    assert addresses(html) == ["a.jpg", "b.jpg"]


def test_a_picture_in_the_page_itself_is_kept_as_data() -> None:
    data = base64.b64encode(b"\x89PNG" + bytes(3000)).decode()
    assert [image.url for image in images(f'<img src="data:image/png;base64,{data}">')] == [
        f"data:image/png;base64,{data}"
    ]


def test_base_and_relative_addresses() -> None:
    html = f'<base href="/other/"><article>{TEXT}<img src="../a.jpg"></article>'.encode()
    document = extract_page(html, URL)
    assert not isinstance(document, str)
    assert [image.url for image in document.images if image] == ["https://site.example/a.jpg"]


def test_alternative_text_size_and_caption() -> None:
    html = '<figure><img src="a.jpg" alt=" Two  cats " width="600" height="400px"><figcaption>Two <b>cats</b>.</figcaption></figure>'
    [image] = images(html)
    assert (image.alt, image.caption, image.declared_width, image.declared_height) == (
        "Two cats",
        "Two cats.",
        600,
        400,
    )


def test_a_caption_before_its_picture() -> None:
    [image] = images('<figure><figcaption>Two cats.</figcaption><img src="a.jpg"></figure>')
    assert image.caption == "Two cats."


def test_a_caption_of_several_pictures() -> None:
    html = '<figure><img src="a.jpg"><img src="b.jpg"><figcaption>Cats.</figcaption></figure><img src="c.jpg">'
    assert [image.caption for image in images(html)] == ["Cats.", "Cats.", None]


def test_a_caption_by_its_label() -> None:
    [image] = images('<div class="wp-caption"><img src="a.jpg"><p class="wp-caption-text">Cats.</p></div>')
    assert image.caption == "Cats."
