"""The body of an archived HTTP response: chunks joined, compression undone, size limited."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import brotli
from warcio.bufferedreaders import ChunkedDataReader

from m3w.pipeline.crawl.warc_record import WarcRecord


class BodyError(ValueError):
    """A body that cannot be read; the message is the reason under which it is counted."""


def response_body(record: WarcRecord, *, max_bytes: int) -> bytes:
    """The decoded body of an archived HTTP response.

    Crawlers that already undid an encoding often keep its header, so a body without the magic number of its encoding is
    returned unchanged. A truncated compressed body is decompressed as far as it goes. Raises `BodyError`:
    `body_too_large`, `body_unsupported_encoding`, `body_corrupt`.
    """
    if record.oversize:
        raise BodyError("body_too_large")
    block = record.block
    if "chunked" in record.http_headers.get("transfer-encoding", "").lower():
        block = _joined_chunks(block)
    return undo_encodings(block, record.http_headers.get("content-encoding", ""), max_bytes=max_bytes)


def undo_encodings(body: bytes, content_encoding: str, *, max_bytes: int) -> bytes:
    """`body` without the compressions that the header `Content-Encoding` names. Raises `BodyError`."""
    for encoding in reversed([name.strip() for name in content_encoding.lower().split(",")]):
        if encoding in ("", "identity", "none", "utf-8"):
            continue
        if encoding not in DECODERS:
            raise BodyError("body_unsupported_encoding")
        body = DECODERS[encoding](body, max_bytes)
    if len(body) > max_bytes:
        raise BodyError("body_too_large")
    return body


def _joined_chunks(block: bytes) -> bytes:
    """The content of the chunks. warcio's reader returns a body that is not chunked after all unchanged."""
    content: bytes = ChunkedDataReader(io.BytesIO(block), decomp_type=None).read()
    return content


def _gunzip(data: bytes, limit: int) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    return _inflated(data, limit, 16 + zlib.MAX_WBITS)


def _inflate(data: bytes, limit: int) -> bytes:
    """Deflate as servers send it: with the zlib wrapper, without it, or not compressed at all."""
    for window_bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        try:
            return _inflated(data, limit, window_bits)
        except BodyError as error:
            if str(error) != "body_corrupt":
                raise
    return _plain_text_or_corrupt(data)


def _inflated(data: bytes, limit: int, window_bits: int) -> bytes:
    inflate = zlib.decompressobj(window_bits)
    try:
        content = inflate.decompress(data, limit + 1)
    except zlib.error as error:
        raise BodyError("body_corrupt") from error
    if len(content) > limit:
        raise BodyError("body_too_large")
    return content


def _unbrotli(data: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    content = bytearray()
    try:
        content += decoder.process(data, output_buffer_limit=limit + 1)
        while len(content) <= limit and not decoder.can_accept_more_data() and not decoder.is_finished():
            content += decoder.process(b"", output_buffer_limit=limit + 1)
    except brotli.error:
        return _plain_text_or_corrupt(data)
    if len(content) > limit:
        raise BodyError("body_too_large")
    return bytes(content)


def _plain_text_or_corrupt(data: bytes) -> bytes:
    """Brotli and raw deflate have no magic number; a body that begins with markup was not compressed."""
    if data.lstrip()[:1] == b"<":
        return data
    raise BodyError("body_corrupt")


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
}
