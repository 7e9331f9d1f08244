"""Fetched images that are copies: frequent ones, repeated ones, those of an evaluation set."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from m3w.pipeline.build import build
from m3w.pipeline.dataset.join import join
from m3w.pipeline.dedup.deduplicate import deduplicate
from m3w.pipeline.dedup.document_hashes import document_hashes
from m3w.pipeline.dedup.frequent_images import frequent_images
from m3w.pipeline.dedup.hash_evaluation import evaluation
from m3w.pipeline.dedup.unique import unique
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS, IMAGE_SIGNALS
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.section import Images
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.pipeline.tables import DOCUMENT_HASHES, IMAGE_RESULTS, JOINED, KEPT, UNIQUE
from m3w.recipes.errors import InputError
from m3w.schemas.document import ImageReference, InterleavedDocument

SITE = "http://a.example"


def photo(seed: int, *, quality: int | None = None) -> bytes:
    """Eight by eight blocks of random grey; as JPEG of some quality it looks the same and has other bytes."""
    blocks = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    picture = Image.fromarray(np.kron(blocks, np.ones((16, 16), np.uint8))).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG" if quality else "PNG", **({"quality": quality} if quality else {}))
    return file.getvalue()


def stored(content: bytes) -> StoredImage:
    return prepare(content, Images(), max_pixels=10**6)


def result(url: str, content: bytes) -> dict[str, Any]:
    image = stored(content)
    location = {"path": "images/store/0.tar", "offset": 0, "size": len(content)}
    signals = dict.fromkeys(IMAGE_SIGNALS, 100.0) | {"aspect_ratio": 1.0}
    assert IMAGE_RESULTS.schema is not None
    known = dict.fromkeys(IMAGE_RESULTS.schema.names) | image.row() | {"signals": signals, "location": location}
    return {**known, "url": url, "status": "ok"}


def document(number: int, urls: list[str]) -> InterleavedDocument:
    return InterleavedDocument(
        url=f"{SITE}/{number}",
        texts=["text", *([None] * len(urls))],
        images=[None, *(ImageReference(url=url) for url in urls)],
        crawled_at=datetime(2020 + number, 1, 1, 0, 0, 0, 123457, tzinfo=UTC),
        signals=dict.fromkeys(DOCUMENT_SIGNALS, 1.0),
    )


def joined(work: Any, pages: list[list[bytes]], **switches: Any) -> list[list[str]]:
    """Statuses of the images of each page; the later a page the newer; every image has a URL of its own."""
    recipe = work.recipe(dataset={"validation_fraction": 0}, rules={"languages": []}, duplicates=switches)
    work.inputs = Inputs()
    if recipe.duplicates.evaluation.images is not None:
        work.stage(evaluation, recipe)
    parts: dict[str, list[int]] = {"a": [], "b": []}
    for number in range(len(pages)):
        parts["ab"[number % 2]].append(number)
    for part, numbers in parts.items():
        urls = {n: [f"{SITE}/{n}-{i}.jpg" for i in range(len(pages[n]))] for n in numbers}
        work.put(UNIQUE, [document(n, urls[n]).row() for n in numbers], part)
        results = [result(url, content) for n in numbers for url, content in zip(urls[n], pages[n], strict=True)]
        work.put(IMAGE_RESULTS, results, part)
    if recipe.duplicates.image_documents is not None:
        work.stage(frequent_images, recipe)
    assert set(work.stage(join, recipe)) == set(parts)
    rows = [row for part in parts for row in work.rows(JOINED["train"], part)]
    for row in rows:
        for image, location in zip(row["images"], row["locations"], strict=True):
            assert (image is not None and image["status"] == "ok") == (location is not None)
    found = {int(row["url"].rpartition("/")[2]): row for row in rows}
    return [[image["status"] for image in found[n]["images"] if image] if n in found else [] for n in range(len(pages))]


@pytest.fixture(scope="module")
def pages() -> list[list[bytes]]:
    """A placeholder on five pages, twice in other bytes; a picture of its own on each."""
    qualities = [None, None, 60, None, 95]
    return [[photo(100 + n), photo(1, quality=quality)] for n, quality in enumerate(qualities)]


OK, FREQUENT = ["ok", "ok"], ["ok", "frequent_image"]


def test_what_a_jpeg_changes_is_bytes_and_few_bits_of_the_hash(pages: list[list[bytes]]) -> None:
    looks = [int(stored(page[1]).phash, 16) for page in pages]
    assert len({stored(page[1]).sha256 for page in pages}) == 3
    assert max((look ^ looks[0]).bit_count() for look in looks) <= 4
    others = [int(stored(page[0]).phash, 16) for page in pages]
    assert min((look ^ looks[0]).bit_count() for look in others) > 12


def test_equal_bytes_in_too_many_documents(in_place: Any, pages: list[list[bytes]]) -> None:
    assert joined(in_place, pages, image_documents=3) == [OK] * 5
    assert joined(in_place, pages, image_documents=2) == [FREQUENT, FREQUENT, OK, FREQUENT, OK]
    assert joined(in_place, pages) == [OK] * 5, "off by default"


def test_near_equal_images_in_too_many_documents(in_place: Any, pages: list[list[bytes]]) -> None:
    assert joined(in_place, pages, image_documents=4, image_distance=4) == [FREQUENT] * 5
    assert joined(in_place, pages, image_documents=5, image_distance=4) == [OK] * 5


def test_the_newest_documents_keep_a_frequent_image(in_place: Any, pages: list[list[bytes]]) -> None:
    keep = {"image_excess": "keep_first"}
    assert joined(in_place, pages, image_documents=2, **keep) == [FREQUENT, OK, OK, OK, OK]
    assert joined(in_place, pages, image_documents=2, image_distance=4, **keep) == [FREQUENT] * 3 + [OK] * 2


def test_twice_in_one_document_is_one_document(in_place: Any) -> None:
    page = [photo(1), photo(1), photo(1)]
    assert joined(in_place, [page, [photo(2)]], image_documents=2) == [["ok"] * 3, ["ok"]]


def test_of_an_image_that_a_document_repeats_the_first_stays(in_place: Any) -> None:
    page = [photo(1), photo(2), photo(1), photo(1, quality=80)]
    again = "repeated_in_document"
    assert joined(in_place, [page], repeated_images=True) == [["ok", "ok", again, "ok"]]
    assert joined(in_place, [page], repeated_images=True, repeated_distance=4) == [["ok", "ok", again, again]]


# Evaluation sets


def test_images_of_an_evaluation_folder_are_left_out(in_place: Any, tmp_path: Path) -> None:
    folder = tmp_path / "coco"
    (folder / "val").mkdir(parents=True)
    (folder / "val" / "1.JPG").write_bytes(photo(1, quality=70))
    (folder / "val" / "broken.png").write_bytes(b"no picture")
    (folder / "notes.md").write_text("not an image")
    settings = {"evaluation": {"images": str(folder)}}
    entry = evaluated(in_place, settings)
    assert entry.counters == {
        "evaluation_images": 2, "evaluation_images_hashed": 1, "evaluation_images_unreadable": 1,
    }  # fmt: skip
    assert joined(in_place, [[photo(1), photo(2)], [photo(2)]], **settings) == [["in_evaluation_set", "ok"], ["ok"]]


def test_a_set_of_images_alone_needs_no_texts(in_place: Any, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(photo(1))
    settings = {"evaluation": {"images": str(tmp_path / "1.png")}}
    evaluated(in_place, settings)
    in_place.put(KEPT, [document(1, []).row()])
    in_place.part(document_hashes, "p", in_place.recipe(duplicates=settings))
    assert [row["reason"] for row in in_place.rows(DOCUMENT_HASHES)] == [None]


@pytest.mark.parametrize("form", [lambda content: content, lambda content: {"bytes": content, "path": "1.png"}])
def test_images_of_an_evaluation_parquet_are_left_out(in_place: Any, tmp_path: Path, form: Any) -> None:
    path = tmp_path / "set.parquet"
    pq.write_table(pa.table({"picture": [form(photo(7)), None]}), path)
    settings = {"evaluation": {"images": str(path), "image_column": "picture", "image_distance": 0}}
    evaluated(in_place, settings)
    assert joined(in_place, [[photo(2), photo(7)]], **settings) == [["ok", "in_evaluation_set"]]


def evaluated(work: Any, switches: dict[str, Any]) -> LedgerEntry:
    (entry,) = work.stage(evaluation, work.recipe(duplicates=switches)).values()
    assert isinstance(entry, LedgerEntry)
    return entry


QUESTION = "what is the colour of the kettle that stands on the left side of the stove in the kitchen"


@pytest.mark.parametrize("form", ["txt", "jsonl", "parquet", "folder"])
def test_documents_that_share_a_long_ngram_with_an_evaluation_text_go(in_place: Any, tmp_path: Path, form: str) -> None:
    settings = {"evaluation": {"texts": str(write_texts(tmp_path, form)), "text_column": "question"}}
    entry = evaluated(in_place, settings)
    assert entry.counters["evaluation_texts"] >= 1
    shared = QUESTION.split()
    texts = [
        f"They asked: {QUESTION.upper()}!",
        " ".join(["before", *shared[2:15], "after"]),
        " ".join(["before", *shared[2:14], "after"]),
        "the kettle",
        "",
    ]
    rows = [{**document(n, []).row(), "texts": [text], "images": [None]} for n, text in enumerate(texts)]
    in_place.put(KEPT, rows)
    in_place.part(document_hashes, "p", in_place.recipe(duplicates=settings))
    found = [row["reason"] for row in in_place.rows(DOCUMENT_HASHES)]
    assert found == ["evaluation_text", "evaluation_text", None, None, None]


def test_a_document_of_the_evaluation_set_takes_no_copy_with_it(in_place: Any, tmp_path: Path) -> None:
    """Of two near texts the richer one holds the question; it goes as such, and the other stays."""
    settings = {"near_text": True, "evaluation": {"texts": str(write_texts(tmp_path, "txt"))}}
    evaluated(in_place, settings)
    words = " ".join(f"word{n}" for n in range(300))
    rows = [
        {**document(n, []).row(), "texts": [f"{words} {end}"], "images": [None]} for n, end in enumerate(("", QUESTION))
    ]
    in_place.put(KEPT, rows)
    recipe = in_place.recipe(duplicates=settings)
    for stage in (document_hashes, deduplicate):
        in_place.stage(stage, recipe)
    counters = in_place.part(unique, "p", recipe).counters
    assert counters == {"documents": 1, "documents_dropped.evaluation_text": 1}
    assert [row["url"] for row in in_place.rows(UNIQUE)] == [f"{SITE}/0"]


def write_texts(folder: Path, form: str) -> Path:
    path = folder / f"set.{form}"
    if form == "txt":
        path.write_text(QUESTION)
    elif form == "jsonl":
        path.write_text(json.dumps({"question": [QUESTION, "short"]}) + "\n\n" + json.dumps({"question": None}) + "\n")
    elif form == "parquet":
        pq.write_table(pa.table({"question": [QUESTION, None]}), path)
    else:
        path = folder / "set"
        path.mkdir()
        write_texts(path, "txt")
        write_texts(path, "jsonl")
    return path


def wrong(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "readme.md").write_text("x")
    return {
        "missing images": ({"images": f"{folder}/nowhere"}, r"evaluation\.images = .*nowhere is not there"),
        "empty images": ({"images": f"{folder}/empty"}, r"empty holds no file of \.jpg, .*\.parquet, so nothing would"),
        "no images": ({"images": f"{folder}/other"}, "other holds no file"),
        "empty texts": ({"texts": f"{folder}/empty"}, r"evaluation\.texts = .* holds no file of \.txt"),
        "missing texts": ({"texts": f"{folder}/nowhere.jsonl"}, "is not there"),
    }


def test_an_empty_evaluation_set_ends_the_build_before_it_begins(tmp_path: Path, archive_record: Any) -> None:
    (tmp_path / "crawl.warc").write_bytes(archive_record())
    for settings, problem in wrong(tmp_path).values():
        with pytest.raises(InputError, match=problem):
            build(recipe_of(tmp_path, settings), str(tmp_path / "run"))
        assert not (tmp_path / "run").exists()


def recipe_of(folder: Path, settings: dict[str, Any]) -> Recipe:
    return parse_recipe({"crawl": {"paths": [f"{folder}/crawl.warc"]}, "duplicates": {"evaluation": settings}}, "-")


@pytest.mark.parametrize(
    ("name", "content", "settings", "problem"),
    [
        ("a.png", b"no picture", {"images": "."}, "has no image that can be read"),
        ("a.txt", b"too short", {"texts": "."}, "has no text of 13 words"),
        ("a.jsonl", b"{", {"texts": "."}, r"a\.jsonl:1 is no JSON"),
        ("a.jsonl", b'{"other": 1}', {"texts": "."}, r"a\.jsonl:1 has no field text; name it by"),
        ("a.parquet", b"PAR1", {"texts": "."}, "is no Parquet file"),
    ],
)
def test_an_evaluation_set_without_usable_content_is_refused(
    in_place: Any, tmp_path: Path, name: str, content: bytes, settings: dict[str, str], problem: str
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        evaluated(in_place, {"evaluation": {key: str(folder) for key in settings}})


def test_a_missing_column_is_named(in_place: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["x"], "answer": ["y"]}), tmp_path / "set.parquet")
    with pytest.raises(InputError, match=r"has no column text, only question, answer; name it by .*text_column"):
        evaluated(in_place, {"evaluation": {"texts": str(tmp_path / "set.parquet")}})
