"""What is main content and what stands around it, on small pages of many kinds."""

from __future__ import annotations

import pytest

from m3w.pipeline.extract import extract_document, extract_page

SENTENCE = "The river rose in the night, and by the morning, the fields were under water. "
PARAGRAPH = f"<p>{SENTENCE * 4}</p>"
URL = "http://site.example/"


def texts(html: str, **options: str) -> list[str]:
    document = extract_page(html.encode(), URL, **options)  # type: ignore[arg-type]
    assert not isinstance(document, str), document
    return [text for text in document.texts if text is not None]


@pytest.mark.parametrize(
    "around",
    [
        "<nav><ul><li><a href=/a>Home</a><li><a href=/b>News</a></ul></nav>",
        '<div class="header-menu"><a href=/>Home</a> <a href=/n>News</a></div>',
        "<footer>Copyright UNWANTED, all rights reserved, and so on, for ever</footer>",
        '<div class="cookie-banner">This site uses cookies, UNWANTED, and you agree to that by reading on.</div>',
        '<div id="comments"><p>UNWANTED, first comment, with many words, and more of them to come.</p></div>',
        '<div class="share-bar">UNWANTED <a href=/f>Facebook</a></div>',
        "<aside>UNWANTED, something else, that nobody asked for, with a comma or two.</aside>",
        '<div class="related-posts"><ul><li><a href=/1>UNWANTED one</a><li><a href=/2>UNWANTED two</a></ul></div>',
        "<p hidden>UNWANTED, hidden by attribute, with words.</p>",
        '<div aria-hidden="true"><p>UNWANTED, hidden from readers, with words.</p></div>',
        '<p style="display: none">UNWANTED, hidden by style, with words.</p>',
        "<template><p>UNWANTED, a template, with words.</p></template>",
        "<script>UNWANTED()</script><style>UNWANTED{}</style>",
        '<p>before <span style="visibility:hidden">UNWANTED</span> after, with words</p>',
        '<p class="promo"><a href=/x>Read also: UNWANTED, another story</a></p>',
    ],
)
def test_content_around_the_main_content_is_left_out(around: str) -> None:
    for html in (
        f"<body><article>{PARAGRAPH * 3}</article>{around}",
        f"<body>{around}<article>{PARAGRAPH * 3}</article>",
    ):
        nodes = texts(html)
        assert sum(text.startswith("The river") for text in nodes) == 3
        assert not any("UNWANTED" in text for text in nodes)
        assert not any("Home" in text for text in nodes)


def test_hidden_and_furniture_inside_the_article_are_left_out() -> None:
    inside = '<div class="share">UNWANTED <a href=/f>share</a></div><p hidden>UNWANTED</p><form><input><input>UNWANTED</form>'
    assert not any("UNWANTED" in text for text in texts(f"<article>{PARAGRAPH}{inside}{PARAGRAPH}</article>"))


def test_every_kind_of_text_is_kept_in_order() -> None:
    html = f"""<article><h2>Heading</h2>{PARAGRAPH}
      <ul><li>first item</li><li>second item</li></ul>
      <table><tr><th>Name</th><th>Size</th></tr><tr><td>Elbe</td><td>1094 km</td></tr></table>
      <blockquote>So it was said.</blockquote>
      <pre>if x:\n    y()</pre>
      <dl><dt>term</dt><dd>what it means</dd></dl>{PARAGRAPH}</article>"""
    nodes = texts(html)
    assert nodes[0] == "Heading"
    assert nodes[2:4] == ["first item", "second item"]
    assert nodes[4] == "Name | Size\nElbe | 1094 km"
    assert nodes[5] == "So it was said."
    assert nodes[6] == "if x:\n    y()"
    assert nodes[7:9] == ["term", "what it means"]


def test_white_space_is_as_a_browser_shows_it() -> None:
    html = f"<article>{PARAGRAPH}<p>one\n   two<b> three</b>\t<i>four</i>five<br>six</p>{PARAGRAPH}</article>"
    assert "one two three fourfive\nsix" in texts(html)


def test_two_line_breaks_part_paragraphs() -> None:
    html = f"<article>{PARAGRAPH}<div>first part, of it<br><br>second part, of it</div>{PARAGRAPH}</article>"
    assert {"first part, of it", "second part, of it"} <= set(texts(html))


@pytest.mark.parametrize(
    "sentence",
    [
        "هذا نص طويل باللغة العربية، وفيه فواصل، وكلمات كثيرة، لكي يكون محتوى الصفحة الرئيسي. ",
        "人工智能研究人员表示，这种新方法，可以利用记忆，进行自我学习，迈上新台阶。",
        "ประเทศไทยมีประวัติศาสตร์ยาวนานและมีวัฒนธรรมที่หลากหลายซึ่งน่าสนใจมากสำหรับนักท่องเที่ยว ",
    ],
)
def test_other_scripts_come_through_whole(sentence: str) -> None:
    text = (sentence * 8).strip()
    assert texts(f"<nav><a href=/>x</a></nav><div class=content><p>{text}</p><p>{text}</p></div>") == [text, text]


def test_readings_above_words_are_left_out() -> None:
    html = f"<article>{PARAGRAPH}<p><ruby>法律<rp>(</rp><rt>ほうりつ</rt><rp>)</rp></ruby>の話です。</p>{PARAGRAPH}</article>"
    assert "法律の話です。" in texts(html)


def test_the_lead_above_the_text_belongs_to_it() -> None:
    lead = "<header><h1>Flood</h1><div class=intro><p>The worst flood in a hundred years.</p></div></header>"
    html = f"<main>{lead}<div class=text>{PARAGRAPH * 4}</div></main>"
    assert texts(html)[0] == "The worst flood in a hundred years."


def test_sections_of_a_page_builder_belong_together() -> None:
    row = "<div class='row r{0}'><div class=col><div class=box>" + PARAGRAPH * 2 + "</div></div></div>"
    html = "<body><div class=page>" + "".join(row.format(number) for number in range(4)) + "</div>"
    assert len(texts(html)) == 8


def test_a_list_of_links_alone_is_still_a_document() -> None:
    links = "".join(f"<li><p><a href=/{n}>Story number {n}</a></p><p>via paper</p></li>" for n in range(30))
    assert "Story number 7" in texts(f"<nav><a href=/>Home</a></nav><main><ul>{links}</ul></main>")


def test_a_gallery_without_text_is_a_document() -> None:
    document = extract_document(b"<body>" + b"".join(b"<img src=p%d.jpg>" % n for n in range(5)), URL)
    assert document is not None
    assert len([image for image in document.images if image]) == 5


def test_full_keeps_the_whole_body() -> None:
    html = f"<nav>Home and more</nav><article>{PARAGRAPH * 3}</article><footer>Imprint</footer><p hidden>no</p>"
    nodes = texts(html, content="full")
    assert nodes[0] == "Home and more"
    assert nodes[-1] == "Imprint"
    assert len(nodes) == 5


def test_a_heading_that_repeats_the_title_is_left_to_the_title() -> None:
    html = f"<title>The great flood - The Paper</title><article><h1>The great flood</h1>{PARAGRAPH * 3}</article>"
    document = extract_document(html.encode(), URL)
    assert document is not None
    assert document.title == "The great flood - The Paper"
    assert "The great flood" not in document.texts


@pytest.mark.parametrize(
    ("html", "content_type", "reason"),
    [
        (b"", None, "empty_page"),
        (b" \n", None, "empty_page"),
        (b"<html><body></body></html>", None, "no_main_content"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), None, "not_html"),
        (b"<p>x</p>", "image/png", "not_html"),
        (b"x" * (32 * 2**20 + 1), None, "page_too_large"),
    ],
)
def test_a_page_without_a_document_has_a_reason(html: bytes, content_type: str | None, reason: str) -> None:
    assert extract_page(html, URL, content_type) == reason
    assert extract_document(html, URL, content_type) is None


def test_images_stand_where_the_page_shows_them() -> None:
    html = f"<article>{PARAGRAPH}<p>{SENTENCE}<img src=a.jpg>{SENTENCE}</p>{PARAGRAPH}<img src=b.jpg></article>"
    document = extract_document(html.encode(), URL)
    assert document is not None
    assert [text is None for text in document.texts] == [False, False, True, False, False, True]
    assert [image and image.url[-5:] for image in document.images] == [None, None, "a.jpg", None, None, "b.jpg"]


def test_text_needs_no_decoding_whatever_it_declares() -> None:
    html = f"<meta charset=latin1><article>{PARAGRAPH}<p>Größe, 大小, \udcff</p>{PARAGRAPH}</article>"
    document = extract_document(html, URL, "text/html; charset=koi8-r")
    assert document is not None and "Größe, 大小, ?" in document.texts
    assert extract_document("", URL) is None and extract_document(" \n", URL) is None
