"""What a page says of itself, and videos."""

from __future__ import annotations

import pytest

from m3w.pipeline.extract import VIDEO, extract_document
from m3w.pipeline.extract.metadata import iso_time
from m3w.schemas.document import InterleavedDocument

BODY = "<p>" + "Some words of a page, and more of them, and more again. " * 12


def document(head: str = "", body: str = "", **options: bool) -> InterleavedDocument:
    html = f"<html lang='pt_BR'><head>{head}</head><body><article>{BODY}{body}</article></body></html>"
    extracted = extract_document(html.encode(), "http://site.example/a/b.html", **options)
    assert extracted is not None
    return extracted


def test_everything_that_is_said() -> None:
    extracted = document(
        "<title> A \n title </title><link rel=canonical href=/c><meta property='article:published_time' content='2020-01-02T03:04:05Z'>"
        "<meta name=robots content='noai, NoIndex'><meta name='tdm-reservation' content='1'>",
        "<footer><a rel='nofollow license' href='https://creativecommons.org/licenses/by/4.0/'>CC</a></footer>",
    )
    assert extracted.title == "A title"
    assert extracted.declared_language == "pt-br"
    assert extracted.canonical_url == "http://site.example/c"
    assert extracted.published_at == "2020-01-02T03:04:05+00:00"
    assert extracted.license == "https://creativecommons.org/licenses/by/4.0/"
    assert extracted.opt_out == ["noai", "noindex", "tdm-reservation"]


def test_a_page_that_says_nothing() -> None:
    extracted = extract_document(b"<p>" + BODY.encode(), "http://site.example/")
    assert extracted is not None
    assert (extracted.title, extracted.declared_language, extracted.canonical_url) == (None, None, None)
    assert (extracted.published_at, extracted.license, extracted.opt_out) == (None, None, [])


def test_the_time_may_stand_in_json() -> None:
    assert (
        document('<script type="application/ld+json">{"datePublished": "2019-05-06"}</script>').published_at
        == "2019-05-06"
    )


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("2020-01-02", "2020-01-02"),
        ("2020/1/2", "2020-01-02"),
        ("2020-01-02 03:04", "2020-01-02T03:04:00"),
        ("2020-01-02T03:04:05.678+0200", "2020-01-02T03:04:05+02:00"),
        ("Thu, 02 Jan 2020 03:04:05 GMT", "2020-01-02T03:04:05+00:00"),
        ("yesterday", None),
        ("2020-13-45", None),
        ("", None),
    ],
)
def test_times_become_iso_8601(written: str, wanted: str | None) -> None:
    assert iso_time(written) == wanted


VIDEOS = """<video poster=p.jpg><source src=v.mp4 type=video/mp4></video>
<iframe src="https://www.youtube.com/embed/abcdefghijk" title="Cats"></iframe>
<iframe src="https://ads.example/frame"></iframe>"""


def test_videos_are_off_by_default() -> None:
    assert not any(image.status for image in document(body=VIDEOS).images if image)


def test_videos_are_nodes_of_their_own_kind() -> None:
    videos = [image for image in document(body=VIDEOS, videos=True).images if image and image.status == VIDEO]
    assert [(video.url, video.mime) for video in videos] == [
        ("http://site.example/a/v.mp4", "video/mp4"),
        ("https://www.youtube.com/embed/abcdefghijk", None),
    ]
    assert videos[1].alt == "Cats"
