"""The files that a recipe's `crawl.paths` match."""

from __future__ import annotations

import gzip
from pathlib import Path

import fsspec
import pytest

from m3w.pipeline.crawl.paths import archive_files
from m3w.recipes.errors import InputError


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    for name in ("b.warc.gz", "a.warc.gz", "deep/er/c.warc", "notes.txt"):
        path = tmp_path / "crawl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return tmp_path / "crawl"


def test_a_file_is_named_with_its_size(crawl: Path) -> None:
    assert archive_files([f"{crawl}/a.warc.gz"]) == {f"{crawl}/a.warc.gz": 9}


def test_a_glob_a_deep_glob_and_a_folder_name_files_in_sorted_order(crawl: Path) -> None:
    assert list(archive_files([f"{crawl}/*.warc.gz"])) == [f"{crawl}/a.warc.gz", f"{crawl}/b.warc.gz"]
    assert list(archive_files([f"{crawl}/**/*.warc"])) == [f"{crawl}/deep/er/c.warc"]
    everything = [f"{crawl}/{name}" for name in ("a.warc.gz", "b.warc.gz", "deep/er/c.warc", "notes.txt")]
    assert list(archive_files([str(crawl)])) == everything
    assert list(archive_files([f"{crawl}/"])) == everything


def test_a_file_named_twice_is_one(crawl: Path) -> None:
    assert len(archive_files([f"{crawl}/a.warc.gz", f"{crawl}/a.*", str(crawl)])) == 4


def test_a_relative_path_and_its_absolute_one_are_the_same(crawl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(crawl)
    assert archive_files(["a.warc.gz", "./a.warc.gz"]) == {f"{crawl}/a.warc.gz": 9}


@pytest.mark.parametrize("name", ["a[1].warc.gz", "what?.warc.gz", "many*.warc.gz"])
def test_a_file_whose_name_looks_like_a_glob_is_that_file(crawl: Path, name: str) -> None:
    (crawl / name).write_bytes(b"x")
    assert archive_files([f"{crawl}/{name}"]) == {f"{crawl}/{name}": 1}


@pytest.mark.parametrize("pattern", ["none.warc.gz", "none-*.warc.gz", "nowhere/", "none.paths.gz"])
def test_a_pattern_without_a_match_is_an_error_that_names_it(crawl: Path, pattern: str) -> None:
    with pytest.raises(InputError, match=pattern.replace("*", r"\*")) as error:
        archive_files([f"{crawl}/a.warc.gz", f"{crawl}/{pattern}"])
    assert "\n" not in str(error.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no file"):
        archive_files([str(tmp_path)])


def test_one_empty_file_among_others_is_left_to_be_counted_but_nothing_but_empty_ones_is_an_error(crawl: Path) -> None:
    (crawl / "empty.warc").touch()
    assert archive_files([f"{crawl}/empty.warc", f"{crawl}/a.warc.gz"])[f"{crawl}/empty.warc"] == 0
    with pytest.raises(InputError, match="empty"):
        archive_files([f"{crawl}/empty.warc"])


def test_a_file_system_other_than_the_local_one(tmp_path: Path) -> None:
    with fsspec.open("memory://paths-test/a.warc.gz", "wb") as file:
        file.write(b"12345")
    with fsspec.open("memory://paths-test/list.paths", "wb") as file:
        file.write(b"a.warc.gz\n")
    for pattern in ("memory://paths-test/a.warc.gz", "memory://paths-test/a*", "memory://paths-test/list.paths"):
        (path,) = archive_files([pattern])
        with fsspec.open(path, "rb") as file:
            assert file.read() == b"12345"


LINES = """
crawl-data/CC-MAIN-2024-22/segments/1/warc/a.warc.gz
  near.warc.gz
/absolute/b.warc.gz
s3://bucket/c.warc.gz

"""


@pytest.mark.parametrize("name", ["warc.paths.gz", "warc.paths"])
def test_the_lines_of_a_listing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(LINES.encode()) if name.endswith("gz") else LINES.encode())
    assert archive_files([f"{tmp_path}/{name}"]) == {
        "/absolute/b.warc.gz": None,
        "https://data.commoncrawl.org/crawl-data/CC-MAIN-2024-22/segments/1/warc/a.warc.gz": None,
        "s3://bucket/c.warc.gz": None,
        f"{tmp_path}/near.warc.gz": None,
    }
    with_prefix = archive_files([f"{tmp_path}/{name}"], prefix="s3://commoncrawl/")
    assert set(with_prefix) == {
        "/absolute/b.warc.gz",
        "s3://commoncrawl/crawl-data/CC-MAIN-2024-22/segments/1/warc/a.warc.gz",
        "s3://commoncrawl/near.warc.gz",
        "s3://bucket/c.warc.gz",
    }


def test_a_real_listing(shared_data: Path) -> None:
    listing = shared_data / "warc/commoncrawl-whirlwind/CC-MAIN-2024-22.warc.paths.gz"
    lines = gzip.decompress(listing.read_bytes()).decode().split()
    assert len(lines) > 10
    assert set(archive_files([str(listing)])) == {f"{listing.parent}/{line}" for line in lines}


def test_a_listing_that_a_folder_holds_is_a_file_like_any_other(crawl: Path) -> None:
    (crawl / "warc.paths.gz").write_bytes(gzip.compress(b"elsewhere.warc.gz\n"))
    assert f"{crawl}/warc.paths.gz" in archive_files([str(crawl)])


def corrupt(content: bytes) -> bytes:
    return content[:12] + b"\xff\xff\xff" + content[15:]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x80 no text",
        gzip.compress(LINES.encode())[:-20],
        corrupt(gzip.compress(LINES.encode())),
        b"\x1f\x8b",
        b"",
        b"\n \n",
    ],
    ids=["not text", "cut short", "corrupt", "only the magic", "empty", "blank"],
)
def test_an_empty_listing_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.paths.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.paths\.gz") as error:
        archive_files([f"{tmp_path}/broken.paths.gz"])
    assert "\n" not in str(error.value)
