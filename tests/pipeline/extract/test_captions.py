"""Captions in the forms that sites have for them, and what stands for a picture or beside it."""

from __future__ import annotations

import pytest

from m3w.pipeline.extract import extract_document
from m3w.schemas.document import ImageReference

PROSE = (
    "<p>" + "The museum opened its new hall in spring, and visitors came by train, by bus and on foot. " * 4 + "</p>"
)
IMAGE = '<a href="/file"><img src="{}.jpg" width="300" height="200"></a>'


def nodes(html: str) -> list[str | ImageReference]:
    """The nodes between two paragraphs of an article."""
    page = f"<html><head><title>The hall</title></head><body><article>{PROSE}{html}{PROSE}</article></body></html>"
    document = extract_document(page.encode(), "http://a.example/")
    assert document is not None
    both = [text if text is not None else image for text, image in zip(document.texts, document.images, strict=True)]
    return [node for node in both if node is not None][1:-1]


def captions(html: str) -> list[tuple[str, str | None]]:
    """The file and caption of each image; each caption is a text of the document, too, right behind its image."""
    between = nodes(html)
    images = [(place, node) for place, node in enumerate(between) if isinstance(node, ImageReference)]
    for place, image in images:
        assert image.caption is None or between[place + 1] == image.caption
    return [(image.url.rpartition("/")[2], image.caption) for _, image in images]


@pytest.mark.parametrize(
    ("site", "html"),
    [
        (
            "a paragraph of class caption, mostly a link",
            f'<div class="image">{IMAGE.format("a")}<p class="caption">Photo of <a href="/r">Rorschach</a></p></div>',
        ),
        (
            "MediaWiki's thumbnail",
            f'<div class="thumb tright"><div class="thumbinner">{IMAGE.format("a")}<div class="thumbcaption">'
            '<div class="magnify"><a href="/f" title="Enlarge"></a></div>Photo of <a href="/r">Rorschach</a></div></div></div>',
        ),
        (
            "WordPress",
            f'<div class="wp-caption alignright">{IMAGE.format("a")}'
            '<p class="wp-caption-text">Photo of <a href="/r">Rorschach</a></p></div>',
        ),
        (
            "a figure",
            f'<figure>{IMAGE.format("a")}<figcaption>Photo of <a href="/r">Rorschach</a></figcaption></figure>',
        ),
    ],
)
def test_a_caption_with_a_link_is_kept_with_its_picture(site: str, html: str) -> None:
    assert captions(html) == [("a.jpg", "Photo of Rorschach")], site


def test_each_picture_of_a_wordpress_gallery_has_its_caption() -> None:
    items = "".join(
        f'<dl class="gallery-item"><dt class="gallery-icon landscape">{IMAGE.format(name)}</dt>'
        f'<dd class="wp-caption-text gallery-caption">The <a href="/h">{name} hall</a></dd></dl>'
        for name in ("first", "second")
    )
    expected = [("first.jpg", "The first hall"), ("second.jpg", "The second hall")]
    assert captions(f'<div class="gallery galleryid-1">{items}</div>') == expected


def test_each_picture_of_a_mediawiki_gallery_has_its_caption() -> None:
    items = "".join(
        f'<li class="gallerybox"><div class="thumb">{IMAGE.format(name)}</div>'
        f'<div class="gallerytext"><p>A <a href="/q">{name}</a> in snow</p></div></li>'
        for name in ("robin", "wren")
    )
    expected = [("robin.jpg", "A robin in snow"), ("wren.jpg", "A wren in snow")]
    assert captions(f'<ul class="gallery mw-gallery-traditional">{items}</ul>') == expected


def test_a_long_text_of_such_a_class_is_no_caption() -> None:
    long = "This is the text of the page, whatever its class is called. " * 20
    (image, text) = nodes(f'<div>{IMAGE.format("a")}<div class="caption">{long}</div></div>')
    assert isinstance(image, ImageReference) and image.caption is None and text == long.strip()


@pytest.mark.parametrize(("alt", "kept"), [("wp-content/uploads/IMG_2031.JPG", None), ("robin.jpg", None)])
def test_an_alternative_text_that_is_a_file_is_none(alt: str, kept: str | None) -> None:
    (image,) = nodes(f'<p><img src="a.jpg" alt="{alt}" width="400" height="300"></p>')
    assert isinstance(image, ImageReference) and image.alt == kept


def test_an_alternative_text_may_name_a_file() -> None:
    (image,) = nodes('<p><img src="a.jpg" alt="How to save robin.jpg" width="400" height="300"></p>')
    assert isinstance(image, ImageReference) and image.alt == "How to save robin.jpg"


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        ('<img class="mwe-math-fallback-image-inline" src="m.svg" alt="{\\displaystyle E=mc^{2}}">', "$E=mc^{2}$"),
        ('<img class="latex" src="/latex.php?latex=x" alt="\\alpha + 1">', "$\\alpha + 1$"),
        ('<img src="https://latex.codecogs.com/svg.image?a" alt="$a_1$">', "$a_1$"),
        ('<img class="math inline" src="a.png" alt="pi">', "pi"),
    ],
)
def test_a_picture_of_a_formula_is_its_text_in_the_sentence(picture: str, text: str) -> None:
    assert nodes(f"<p>It is {picture} since then.</p>") == [f"It is {text} since then."]


@pytest.mark.parametrize("mark", ["¶", "#", "§", "🔗"])
def test_the_mark_that_links_to_a_heading_is_no_text(mark: str) -> None:
    heading = f'<h2>Install<a class="headerlink" href="#install" title="Permalink">{mark}</a></h2><p>Run it, now.</p>'
    assert nodes(heading) == ["Install", "Run it, now."]


def test_a_reference_links_back_without_a_mark() -> None:
    notes = '<ol><li><a href="#ref-1">^</a> The first source, of 1921, is a book.</li></ol>'
    assert nodes(notes) == ["The first source, of 1921, is a book."]


def test_a_hash_that_links_elsewhere_is_text() -> None:
    assert nodes('<p>The sign <a href="/hash">#</a> is a hash, as everyone knows by now.</p>') == [
        "The sign # is a hash, as everyone knows by now."
    ]
