"""`m3w extract`: the documents of one HTML, WARC or WACZ file as JSON lines, without a run, rules or fetched images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

import fsspec

from m3w.pipeline.crawl.archive_stream import GZIP_MAGIC, WARC_MAGIC
from m3w.pipeline.crawl.http_body import BodyError
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import ZIP_MAGIC, open_file, warc_members
from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import ARC_MAGIC, WarcRecord
from m3w.pipeline.extract import extract_page
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.extract.stage import MIB, not_a_page, page_document
from m3w.pipeline.filters.signals.document import measure
from m3w.recipes.errors import InputError
from m3w.schemas.document import InterleavedDocument


def document_lines(path: str, url: str) -> Iterator[str]:
    """One JSON object per page: the document's row, or `url` and `dropped` with the reason why it has no document.

    Raises `InputError` for a file that cannot be read.
    """
    try:
        with fsspec.open(path, "rb") as file:
            start = file.read(len(ARC_MAGIC))
            archives = _archives(path, start)
            content = b"" if archives else start + file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); give an HTML, WARC or WACZ file") from error
    if not start:
        raise InputError(f"{path} is empty, so it has no page; give an HTML, WARC or WACZ file")
    documents = chain.from_iterable(map(_archive_documents, archives)) if archives else [(url, _document(content, url))]
    for page_url, document in documents:
        row = {"url": page_url, "dropped": document} if isinstance(document, str) else document.row()
        yield json.dumps(row, ensure_ascii=False, default=_plain)


def _archives(path: str, start: bytes) -> list[str]:
    """The archives in a file that begins with `start`: the file itself, the WARC files in a WACZ file, or none."""
    if start.startswith(ZIP_MAGIC):
        with open_file(path, Storage()) as file:
            return sorted(warc_members(file, path))
    return [path] if start.startswith((GZIP_MAGIC, WARC_MAGIC, ARC_MAGIC)) else []


def _document(html: bytes, url: str) -> InterleavedDocument | str:
    document = extract_page(html, url)
    if isinstance(document, InterleavedDocument):
        measure(document)
    return document


def _archive_documents(path: str) -> Iterator[tuple[str, InterleavedDocument | str]]:
    """The URL and the document of each page. Documents without an image are kept, to show the extraction alone."""
    settings = Extract()
    for item in read_archive(path, max_block_bytes=settings.max_page_mib * MIB):
        if isinstance(item, WarcRecord) and item.kind == "response" and not_a_page(item) is None:
            try:
                yield item.url or "", page_document(item, settings)
            except BodyError as error:
                yield item.url or "", str(error)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
