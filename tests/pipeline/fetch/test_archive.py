"""Images from the crawl itself."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.fetch.archive import decode_data_url, read_image
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.images.section import Images

ArchiveRecord = Callable[..., bytes]
URL = "http://a.example/1.png"


def read(archive: bytes, offset: int, url: str = URL, max_bytes: int = 1000) -> bytes:
    return read_image(io.BytesIO(archive), "crawl.warc", offset, url, max_bytes=max_bytes)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_image_is_read_at_its_offset(archive_record: ArchiveRecord, pack: Callable[[bytes], bytes]) -> None:
    first = pack(archive_record("http://a.example/", b"<p>"))
    archive = first + pack(archive_record(URL, b"PNG bytes", content_type="image/png")) + first
    assert read(archive, len(first)) == b"PNG bytes"


def test_an_image_in_a_file_packed_as_one_member_is_found_by_its_url(archive_record: ArchiveRecord) -> None:
    records = [archive_record(f"http://a.example/{n}.png", b"PNG %d" % n) for n in range(5)]
    archive = gzip.compress(b"".join(records))
    assert [read(archive, 0, f"http://a.example/{n}.png") for n in range(5)] == [b"PNG %d" % n for n in range(5)]


def test_a_fragment_does_not_matter(archive_record: ArchiveRecord) -> None:
    assert read(archive_record(f"{URL}#top", b"PNG"), 0) == b"PNG"


def test_an_image_that_travelled_compressed_is_unpacked(archive_record: ArchiveRecord) -> None:
    record = archive_record(URL, gzip.compress(b"PNG" * 10), headers=("Content-Encoding: gzip",))
    assert read(record, 0) == b"PNG" * 10


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 1001, (), "body_too_large"),
        (gzip.compress(b"x" * 5000), ("Content-Encoding: gzip",), "body_too_large"),
        (b"x", ("Content-Encoding: zstd",), "body_unsupported_encoding"),
    ],
)
def test_a_body_that_cannot_be_read_has_a_reason(
    archive_record: ArchiveRecord, body: bytes, headers: tuple[str, ...], status: str
) -> None:
    with pytest.raises(NoImageError, match=status):
        read(archive_record(URL, body, headers=headers), 0)


def test_another_record_at_its_position_is_not_the_image(archive_record: ArchiveRecord) -> None:
    other = archive_record("http://a.example/2.png", b"PNG")
    for archive in (
        other,
        other + archive_record(URL, b"PNG"),
        archive_record(URL, b"PNG", kind="request"),
        b"",
        b"junk",
    ):
        with pytest.raises(NoImageError, match="not_in_archive"):
            read(archive, 0)


def test_an_image_of_an_arc_file_is_read_at_its_offset() -> None:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nPNG bytes"
    head = b"filedesc://crawl.arc 127.0.0.1 20140216050221 text/plain 17\n1 0 LiveWeb\nURL x\n\n"
    record = f"{URL} 127.0.0.1 20140216050221 image/png {len(block)}\n".encode() + block + b"\n"
    assert read(head + record, len(head)) == b"PNG bytes"


def test_every_image_of_a_real_crawl_can_be_read_again(shared_data: Path) -> None:
    path = shared_data / "warc/with-images-wikipedia-sopa/main-page.warc.gz"
    found = 0
    with path.open("rb") as file:
        for item in read_archive(str(path), max_block_bytes=2**24):
            if isinstance(item, WarcRecord) and item.kind == "response" and item.mime in ("image/png", "image/jpeg"):
                content = read_image(file, str(path), item.offset, item.url or "", max_bytes=2**24)
                assert prepare(content, Images(), max_pixels=10**8).mime == item.mime
                found += 1
    assert found > 20


PIXEL = b"GIF89a\x01\x00\x01\x00"


@pytest.mark.parametrize(
    "url",
    [
        "data:image/gif;base64," + base64.b64encode(PIXEL).decode(),
        "data:image/gif;BASE64," + base64.b64encode(PIXEL).decode(),
        "data:image/gif;charset=x;base64," + base64.b64encode(PIXEL).decode().rstrip("="),
        "data:;base64," + base64.b64encode(PIXEL).decode().replace("=", "%3D"),
        "data:image/gif;base64, " + base64.b64encode(PIXEL).decode(),
        "data:image/gif,GIF89a%01%00%01%00",
    ],
)
def test_a_data_url_carries_its_bytes(url: str) -> None:
    assert decode_data_url(url) == PIXEL


@pytest.mark.parametrize("url", ["data:", "data:image/gif;base64", "data:image/gif;base64,A", "data:;base64,\u72d0A"])
def test_an_empty_data_url_is_undecodable(url: str) -> None:
    with pytest.raises(NoImageError, match="undecodable"):
        decode_data_url(url)
