"""Response bodies as servers sent them and crawlers stored them."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest

from m3w.pipeline.crawl.http_body import BodyError, response_body
from m3w.pipeline.crawl.warc_record import WarcRecord

PAGE = b"<!doctype html><p>" + "Grüße, 世界. ".encode() * 50


def body_of(block: bytes, encoding: str = "", transfer: str = "", max_bytes: int = 2**20) -> bytes:
    headers = {"content-encoding": encoding, "transfer-encoding": transfer}
    record = WarcRecord(
        kind="response", url="http://a.example/", crawled_at=None, path="p", offset=0, status=200, http_headers=headers, block=block
    )  # fmt: skip
    return response_body(record, max_bytes=max_bytes)


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def chunked(data: bytes, size: int = 100) -> bytes:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


PACKED = {
    "gzip": gzip.compress(PAGE),
    "x-gzip": gzip.compress(PAGE),
    "deflate": zlib.compress(PAGE),
    "br": brotli.compress(PAGE),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_compressed_body_is_unpacked(encoding: str) -> None:
    assert body_of(PACKED[encoding], encoding) == PAGE
    assert body_of(PACKED[encoding], encoding.upper()) == PAGE
    assert body_of(chunked(PACKED[encoding]), encoding, "chunked") == PAGE


def test_deflate_comes_with_and_without_its_wrapper() -> None:
    assert body_of(raw_deflate(PAGE), "deflate") == PAGE


def test_encodings_are_undone_from_the_last_to_the_first() -> None:
    assert body_of(gzip.compress(brotli.compress(PAGE)), "br, gzip") == PAGE


@pytest.mark.parametrize("encoding", ["", "identity", "none", "utf-8"])
def test_a_body_that_is_not_packed_comes_as_it_is(encoding: str) -> None:
    assert body_of(PAGE, encoding) == PAGE


@pytest.mark.parametrize("encoding", PACKED)
def test_a_body_that_the_crawler_unpacked_already_comes_as_it_is(encoding: str) -> None:
    assert body_of(PAGE, encoding) == PAGE
    assert body_of(PAGE, encoding, "chunked") == PAGE


@pytest.mark.parametrize("encoding", PACKED)
def test_a_truncated_body_gives_what_it_has(encoding: str) -> None:
    noise = b"<p>" + zlib.compress(bytes(range(256)) * 50, 0)
    whole = {"br": brotli.compress, "deflate": zlib.compress}.get(encoding, gzip.compress)(noise)
    part = body_of(whole[: len(whole) // 2], encoding)
    assert noise.startswith(part)
    assert len(part) > 3 or encoding == "br"


@pytest.mark.parametrize("encoding", PACKED)
def test_a_body_of_noise_is_corrupt(encoding: str) -> None:
    head = {"gzip": PACKED["gzip"][:10], "x-gzip": PACKED["gzip"][:10], "deflate": b"\x78\x9c"}.get(encoding, b"")
    with pytest.raises(BodyError, match=r"^body_corrupt$"):
        body_of(head + b"\xff" * 100, encoding)


@pytest.mark.parametrize("encoding", ["zstd", "compress", "gzip, dcb", "x-unknown"])
def test_an_unsupported_encoding_is_an_error(encoding: str) -> None:
    with pytest.raises(BodyError, match=r"^body_unsupported_encoding$"):
        body_of(PAGE, encoding)


@pytest.mark.parametrize("encoding", ["", *PACKED])
def test_a_body_may_have_max_bytes_and_not_one_more(encoding: str) -> None:
    packed = PACKED.get(encoding, PAGE)
    assert body_of(packed, encoding, max_bytes=len(PAGE)) == PAGE
    with pytest.raises(BodyError, match=r"^body_too_large$"):
        body_of(packed, encoding, max_bytes=len(PAGE) - 1)


def test_packed_twice_is_bounded_at_each_step() -> None:
    with pytest.raises(BodyError, match=r"^body_too_large$"):
        body_of(gzip.compress(gzip.compress(bytes(2**24))), "gzip, gzip", max_bytes=2**20)


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (b"5;name=x\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n6\r\n worl", b"hello worl"),
        (b"hello", b"hello"),
        (b"", b""),
    ],
    ids=["with an extension", "breaks off", "not chunked", "empty"],
)
def test_odd_chunks(block: bytes, content: bytes) -> None:
    assert body_of(block, transfer="Chunked") == content
