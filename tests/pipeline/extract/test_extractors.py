"""The contract of extractors: our own, and one of a user's, named by its dotted path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.inline import InlineRun
from m3w.pipeline.build import build
from m3w.pipeline.engine.settings import digest_of, settings_of
from m3w.pipeline.extract import extract_page
from m3w.pipeline.extract.blocks import LeftOut
from m3w.pipeline.extract.extractors import Extractor, OwnExtractor, check_extractor, load_extractor
from m3w.pipeline.extract.stage import ExtractSettings, extract
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.pipeline.tables import EXTRACTED
from m3w.recipes.errors import InputError
from m3w.schemas.document import ImageReference, InterleavedDocument

URL = "http://site.example/"
HTML = (
    b"<nav>Home</nav><article><p>"
    + b"The river rose in the night, and by the morning, the fields were under water. " * 8
    + b"</p><img src=/a.jpg><img src=javascript:x><video src=/b.mp4></video></article>"
)
OWN = "tests.pipeline.extract.test_extractors"


def first_line(html: bytes, url: str, content_type: str | None) -> InterleavedDocument | str:
    """An extractor as a function."""
    text = html.partition(b"\n")[0].decode()
    return InterleavedDocument(url=url, texts=[text], images=[None]) if text else "no_first_line"


class FirstLine:
    """The same as a class."""

    def __call__(self, html: bytes, url: str, content_type: str | None) -> InterleavedDocument | str:
        return first_line(html, url, content_type)


class TitlePicture:
    """One that also gives an image, without which the stage keeps no document."""

    def __call__(self, html: bytes, url: str, content_type: str | None) -> InterleavedDocument | str:
        document = first_line(html, url, content_type)
        if isinstance(document, str):
            return document
        image = ImageReference(url=f"{url}/a.png")
        return InterleavedDocument(url=url, texts=[*document.texts, None], images=[None, image])


def recipe(extractor: str | None) -> Recipe:
    return parse_recipe({"crawl": {"paths": ["a"]}, "extract": {"extractor": extractor}}, "-")


@pytest.mark.parametrize(("content", "videos"), [("main", False), ("main", True), ("full", True)])
def test_our_own_extractor_is_extract_page_with_the_options_of_a_recipe(content: str, videos: bool) -> None:
    left_out, expected_left_out = LeftOut(), LeftOut()
    own: Extractor = OwnExtractor(content=content, videos=videos, left_out=left_out)  # type: ignore[arg-type]
    expected = extract_page(HTML, URL, content=content, videos=videos, left_out=expected_left_out)  # type: ignore[arg-type]
    assert own(HTML, URL, None) == expected and isinstance(expected, InterleavedDocument)
    assert left_out == expected_left_out and left_out.references["url_javascript"] == 1
    assert own(b"", URL, None) == "empty_page"
    assert own(HTML, URL, "image/png") == "not_html"


@pytest.mark.parametrize("name", ["first_line", "FirstLine"])
def test_an_extractor_of_ones_own_is_a_function_or_a_class_and_is_loaded_once(name: str) -> None:
    extractor = load_extractor(f"{OWN}.{name}")
    document = extractor(b"One.\nTwo.", URL, None)
    assert isinstance(document, InterleavedDocument) and document.texts == ["One."]
    assert extractor(b"", URL, None) == "no_first_line"
    assert load_extractor(f"{OWN}.{name}") is extractor


def test_an_extractor_that_cannot_be_loaded_is_an_input_error() -> None:
    for wrong in ("no.such.module.Extractor", f"{OWN}.no.such.Extractor"):
        with pytest.raises(InputError, match=r"extract\.extractor = .*there is no module .*OwnExtractor"):
            check_extractor(wrong)
    check_extractor(f"{OWN}.Absent")  # whether the class is there is known once the module is imported
    with pytest.raises(InputError, match="Absent cannot be imported"):
        load_extractor(f"{OWN}.Absent")


def test_a_build_checks_the_extractor_before_it_writes_anything(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(b"WARC/1.0\r\n")
    settings = {"crawl": {"paths": [str(tmp_path / "a.warc")]}, "extract": {"extractor": "no.such.Extractor"}}
    with pytest.raises(InputError, match=r"extract\.extractor = no\.such\.Extractor"):
        build(parse_recipe(settings, "-"), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_recipe_takes_a_dotted_path() -> None:
    with pytest.raises(InputError, match=r"extract\.extractor = 'trafilatura'"):
        recipe("trafilatura")
    names = (None, "a.B", "a.C")
    assert len({digest_of(settings_of(ExtractSettings, recipe(name))) for name in names}) == 3


def test_a_stage_extracts_by_the_extractor_of_the_recipe(tmp_path: Path, archive_record: Callable[..., bytes]) -> None:
    pages = [archive_record(f"http://site.example/{n}", body) for n, body in enumerate((b"One.<br>\nTwo.", b""))]
    (tmp_path / "a.warc").write_bytes(b"".join(pages))
    run = InlineRun(tmp_path)
    counters = run.part(extract, "a", recipe(f"{OWN}.TitlePicture"), path=str(tmp_path / "a.warc")).counters
    assert counters.items() >= {"pages": 2, "documents": 1, "pages_dropped.no_first_line": 1}.items()
    (document,) = run.rows(EXTRACTED, "a")
    assert document["texts"] == ["One.<br>", None] and document["url"] == "http://site.example/0"
