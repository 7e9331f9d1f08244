"""Image-text pairs: tars as img2dataset, LAION and COYO publish them, and Parquet files of URLs with captions.

A pair becomes a document with the image first, then its text. Its page is not known: the image's URL is used instead,
and the document's id is made from URL and text, since an image may have several texts.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.documents import (
    BadDocument,
    ImportedDocument,
    column_names,
    content_url,
    parquet_rows,
    read_documents,
)
from m3w.recipes.errors import InputError
from m3w.schemas.document import ImageReference, InterleavedDocument

URL_NAMES = ("url", "URL", "image_url")
IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp", "gif")
CAPTION_NAMES = ("caption", "TEXT", "text", "alt_text", "top_caption")
"""Columns and JSON keys of img2dataset, LAION and COYO, the preferred ones first."""


def read(file: BinaryIO, path: str) -> Iterator[ImportedDocument | Fault]:
    """The pairs of a tar (`KEY.jpg`, `KEY.txt`, `KEY.json`) or of a Parquet file with URLs and captions.

    Raises `InputError` for a Parquet file that lacks one of the two columns.
    """
    if path.endswith(".parquet"):
        url, caption = _columns(file, path)
        rows = parquet_rows(file, path, [url, caption])
        return read_documents(path, rows, lambda row: _document(row[url], row[caption], None))
    return read_documents(path, _tar_members(file), _from_members)


def _columns(file: BinaryIO, path: str) -> tuple[str, str]:
    names = column_names(file, path)
    url = next((name for name in URL_NAMES if name in names), None)
    caption = next((name for name in CAPTION_NAMES if name in names), None)
    if url is None or caption is None:
        raise InputError(
            f"{path} has the columns {', '.join(names)}; pairs need one of {', '.join(URL_NAMES)} and one of "
            f"{', '.join(CAPTION_NAMES)}"
        )
    return url, caption


def _tar_members(file: BinaryIO) -> Iterator[dict[str, bytes]]:
    """The members of each pair by suffix. The members of a pair are consecutive."""
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        key, members = "", dict[str, bytes]()
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                continue
            name, _, suffix = member.name.partition(".")
            if name != key and members:
                yield members
                members = {}
            key = name
            members[suffix.lower()] = content.read()
        if members:
            yield members


def _from_members(members: dict[str, bytes]) -> ImportedDocument:
    fields: dict[str, Any] = json.loads(members.get("json", b"{}"))
    text = members["txt"].decode("utf-8") if "txt" in members else _first(fields, CAPTION_NAMES)
    content = next((members[suffix] for suffix in IMAGE_SUFFIXES if suffix in members), None)
    return _document(_first(fields, URL_NAMES), text, content)


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name)), None)


def _document(url: str | None, text: str | None, content: bytes | None) -> ImportedDocument:
    if not text or not text.strip():
        raise BadDocument("no_text")
    if not url and not content:
        raise BadDocument("no_image")
    url = url or content_url(content or b"")
    return ImportedDocument(
        document=InterleavedDocument(
            document_id=hashlib.sha256(f"{url}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32],
            url=url,
            texts=[None, text.strip()],
            images=[ImageReference(url=url), None],
        ),
        contents={url: content} if content else {},
    )
