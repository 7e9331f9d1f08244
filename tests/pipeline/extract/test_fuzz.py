"""Fragments of HTML in any order, and any bytes: extraction never raises, and what it gives fits the schema."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from m3w.pipeline.extract import REASONS, extract_page

_NAMES = """
a abbr amp-img article aside b base blockquote body br button caption code dd details div dl dt embed
figcaption figure font footer form frameset h1 h2 head header hr html i iframe img input label li link main
math mi meta nav noscript object ol option p picture plaintext pre rt ruby script section select source span
style sub svg table tbody td template textarea th time title tr ul video x-y
"""
VALUES = (
    "", "a.jpg", "a.jpg 1x, b.jpg 2x", " , ,", "data:image/png;base64,AAAA", "javascript:x", "http://[", "//", "#", "1", "-1", "99999999999",
    "display:none", "background:url(a.jpg)", "true", "license", "canonical", "comment", "share article", "content", "\ud7ff\ufffe", "0x10", "1e9",
    "//\u2100.example/a.jpg", "http://a:99999/", "2020-02-30", "en", "text/html; charset=utf-7",
)  # fmt: skip
_ATTRIBUTES = """
src srcset data-src data-srcset class id style href rel hidden aria-hidden role width height alt poster
datetime content name property charset http-equiv itemprop lang type itemid data-lazy-src
"""
NAMES, ATTRIBUTES = _NAMES.split(), _ATTRIBUTES.split()

attribute = st.builds('{}="{}"'.format, st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES))
start = st.builds(
    lambda name, given: f"<{name} {' '.join(given)}>", st.sampled_from(NAMES), st.lists(attribute, max_size=4)
)
piece = st.one_of(
    start,
    st.builds("</{}>".format, st.sampled_from(NAMES)),
    st.text(max_size=30),
    st.sampled_from(
        [
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?x ?>",
            "<!doctype html>",
            "&nbsp;",
            "&#0;",
            "&#xD800;",
            "\0",
            "<",
            "a sentence, of some length, that counts. " * 9,
        ]
    ),
)


def check(html: bytes, content_type: str | None = None) -> None:
    for options in ({"content": "main"}, {"content": "full", "videos": True}):
        result = extract_page(html, "http://site.example/", content_type, **options)  # type: ignore[arg-type]
        if isinstance(result, str):
            assert result in REASONS
        else:
            assert len(result.texts) == len(result.images) > 0
            assert all(
                (text is None) != (image is None) for text, image in zip(result.texts, result.images, strict=True)
            )
            assert all(text is None or text.encode() for text in result.texts)
            assert all(image is None or image.url.isascii() for image in result.images)


@settings(max_examples=400, deadline=None)
@given(st.lists(piece, max_size=40))
def test_any_fragments(pieces: list[str]) -> None:
    check("".join(pieces).encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([None, "text/html; charset=utf-16le", "text/html; charset=shift_jis", "text/html; charset=x"]),
)
def test_any_bytes(html: bytes, content_type: str | None) -> None:
    check(html, content_type)
    check(b"<p>" + html, content_type)
