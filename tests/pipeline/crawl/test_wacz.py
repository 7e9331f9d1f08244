"""WACZ files: every WARC file in them is read in place."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.crawl.paths import archive_files
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.ledger import Fault

STORAGE = Storage(attempts=3, pause_s=0.001, timeout_s=2)


def wacz(members: dict[str, bytes], compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("datapackage.json", "{}")
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.extra = compression, b"\x99\x99\x04\x00abcd"  # a field of the writer's own
            archive.writestr(info, content)
    return file.getvalue()


def contents(path: str) -> list[tuple[Any, ...]]:
    return [
        (item.url, item.offset, item.length, item.block) if isinstance(item, WarcRecord) else (item.reason, item.offset)
        for item in read_archive(path, max_block_bytes=2**22, storage=STORAGE)
    ]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_the_records_are_those_of_the_files_that_were_packed(
    shared_data: Path, web: Any, tmp_path: Path, compression: int, remote: bool
) -> None:
    real = [shared_data / "warc/odd-pywb" / name for name in ("iana.warc.gz", "example.warc", "example.arc.gz")]
    content = wacz({f"archive/{path.name}": path.read_bytes() for path in real}, compression)
    (tmp_path / "c.wacz").write_bytes(content)
    web.files["c.wacz"] = content
    packed = f"{web.url}/c.wacz" if remote else f"{tmp_path}/c.wacz"
    files = archive_files([packed], storage=STORAGE)
    assert list(files) == sorted(f"zip://archive/{path.name}::{packed}" for path in real)
    sizes = {path.name: path.stat().st_size for path in real}
    if compression == zipfile.ZIP_STORED:
        assert {name.partition("::")[0].rpartition("/")[2]: size for name, size in files.items()} == sizes
    for path in real:
        assert contents(f"zip://archive/{path.name}::{packed}") == contents(str(path))


def test_a_stored_member_is_read_without_the_rest_of_a_remote_file(
    archive_record: Callable[..., bytes], web: Any
) -> None:
    small = gzip.compress(archive_record("http://a.example/"))
    filler = bytes(range(256)) * 40_000
    web.files["big.wacz"] = wacz({"archive/1.warc": filler, "archive/2.warc.gz": small, "pages/x": filler}, 0)
    assert [row[0] for row in contents(f"zip://archive/2.warc.gz::{web.url}/big.wacz")] == ["http://a.example/"]
    assert len(web.files["big.wacz"]) > 20_000_000
    ranges = [asked for _, asked in web.asked]
    starts = [int(asked.removeprefix("bytes=").partition("-")[0]) for asked in ranges if asked != "bytes=0-0"]
    assert min(starts) > 10_000_000, "nothing is read from before the member"
    assert len(ranges) < 12


def test_a_member_that_cannot_be_read_names_the_file(web: Any, tmp_path: Path) -> None:
    (tmp_path / "a.wacz").write_bytes(wacz({"archive/a.warc": b""}, 0))
    with pytest.raises(OSError, match=r"a\.wacz cannot be read.*none\.warc"):
        contents(f"zip://archive/none.warc::{tmp_path}/a.wacz")


@pytest.mark.parametrize("content", [b"PK no zip", wacz({"pages/pages.jsonl": b"{}"}, 0)], ids=["no ZIP", "no WARC"])
def test_a_broken_wacz_costs_itself(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wacz").write_bytes(content)
    (path,) = archive_files([str(tmp_path / "a.wacz")])
    (fault,) = read_archive(path, max_block_bytes=100)
    assert isinstance(fault, Fault) and fault.reason == "not_a_record"
