"""`m3w extract` without its command line: the JSON lines for a file."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.extract_file import document_lines
from m3w.recipes.errors import InputError

ArchiveRecord = Callable[..., bytes]
TEXT = "The red fox lives in woods and fields, and in the towns of the north as well. " * 6
PAGE = f"<!doctype html><title>Foxes</title><article><p>{TEXT}</p><img src=/fox.jpg><p>{TEXT}</p></article>".encode()


def lines(path: Path, url: str = "http://a.example/") -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in document_lines(str(path), url)]
    assert all("\n" not in line for line in document_lines(str(path), url))
    return rows


def test_a_page_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(PAGE)
    (row,) = lines(tmp_path / "page.html")
    assert (row["url"], row["title"], row["language"]) == ("http://a.example/", "Foxes", "en")
    assert [image and image["url"] for image in row["images"]] == [None, "http://a.example/fox.jpg", None]
    assert [text is None for text in row["texts"]] == [False, True, False]
    assert row["signals"]["words"] == 2 * len(TEXT.split())


def test_a_page_without_a_document_is_a_line_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"  \n ")
    assert lines(tmp_path / "page.html") == [{"url": "http://a.example/", "dropped": "empty_page"}]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_is_a_line_a_page(
    tmp_path: Path, archive_record: ArchiveRecord, pack: Callable[[bytes], bytes]
) -> None:
    records = [
        archive_record(kind="warcinfo", body=b"x"),
        archive_record("http://a.example/1", PAGE),
        archive_record("http://a.example/2", b"PNG", content_type="image/png"),
        archive_record("http://a.example/3", b""),
        archive_record("http://a.example/4", PAGE, headers=("Content-Encoding: zstd",)),
        archive_record("http://a.example/5", PAGE, length="x"),
        archive_record("http://a.example/6", PAGE.replace(b"<img src=/fox.jpg>", b"")),
    ]
    (tmp_path / "crawl.warc").write_bytes(b"".join(map(pack, records)))
    rows = {row["url"]: row.get("dropped") for row in lines(tmp_path / "crawl.warc")}
    assert {url[-1]: dropped for url, dropped in rows.items() if "a.example" in url} == {
        "1": None, "3": "empty_page", "4": "body_unsupported_encoding", "6": None,
    }  # fmt: skip
    (row,) = (row for row in lines(tmp_path / "crawl.warc") if row["url"].endswith("/1"))
    assert (row["crawled_at"], row["warc_offset"]) == ("2020-01-02T03:04:05+00:00", len(pack(records[0])))


def test_a_wacz_file_is_the_archives_in_it(tmp_path: Path, archive_record: ArchiveRecord) -> None:
    with zipfile.ZipFile(tmp_path / "site.wacz", "w") as packed:
        packed.writestr("datapackage.json", "{}")
        for n in (1, 2):
            packed.writestr(f"archive/{n}.warc.gz", gzip.compress(archive_record(f"http://a.example/{n}", PAGE)))
    rows = lines(tmp_path / "site.wacz")
    assert [row["url"] for row in rows] == ["http://a.example/1", "http://a.example/2"]
    assert [row["warc_path"] for row in rows] == [
        f"zip://archive/{n}.warc.gz::{tmp_path / 'site.wacz'}" for n in (1, 2)
    ]


def test_what_cannot_be_read_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    zipfile.ZipFile(tmp_path / "other.zip", "w").writestr("a.txt", "no archive")
    for path in (tmp_path / "nowhere.html", tmp_path, tmp_path / "empty", tmp_path / "other.zip"):
        with pytest.raises(InputError, match=str(path)) as error:
            list(document_lines(str(path), "http://a.example/"))
        assert "\n" not in str(error.value)


def test_every_archive_of_the_real_world_can_be_looked_at(shared_data: Path) -> None:
    for path in sorted((shared_data / "warc").rglob("*.warc*")):
        if path.stat().st_size:
            for line in document_lines(str(path), ""):
                json.loads(line)
