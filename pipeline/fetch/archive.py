"""Images from the crawl itself: image responses in its WARC files, and `data:` URLs of pages."""

from __future__ import annotations

import base64
import binascii
import itertools
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from m3w.pipeline.crawl.http_body import BodyError, response_body
from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.crawl.warc import read_records
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.images.decode import NoImageError

MAX_RECORDS = 10_000
"""At most this many records of a gzip member are searched."""


def read_image(file: BinaryIO, path: str, offset: int, url: str, *, max_bytes: int) -> bytes:
    """The body of the response for `url` in the record (or gzip member) at `offset` of the WARC file `path`.

    Raises `NoImageError` with the status.
    """
    file.seek(offset)
    records = read_records(file, path, max_block_bytes=max_bytes)
    for item in itertools.islice(records, MAX_RECORDS):
        if isinstance(item, WarcRecord) and item.offset != offset:
            break
        if isinstance(item, WarcRecord) and item.kind == "response" and without_fragment(item.url or "") == url:
            try:
                return response_body(item, max_bytes=max_bytes)
            except BodyError as error:
                raise NoImageError(str(error)) from error
    raise NoImageError("not_in_archive")


def decode_data_url(url: str) -> bytes:
    """The bytes that a `data:` URL carries. Raises `NoImageError`."""
    head, comma, payload = url.partition(",")
    if not comma:
        raise NoImageError("undecodable")
    content = unquote_to_bytes(payload)
    if not head.lower().endswith(";base64"):
        return content
    try:
        return base64.b64decode(content + b"=" * (-len(content) % 4))
    except (binascii.Error, ValueError) as error:
        raise NoImageError("undecodable") from error
