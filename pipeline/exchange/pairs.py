"""Image-text pairs: tars as img2dataset, LAION and COYO have them, and Parquet files of URLs with captions.

A pair becomes a document of an image and, behind it, its text. Its page is not known: the image's URL stands for it,
and the document is named by URL and text, since one image may have several.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.rows import column_names, parquet_rows, read_samples
from m3w.pipeline.exchange.sample import IMAGE_SUFFIXES, BadSample, Sample, content_url
from m3w.recipes.errors import InputError
from m3w.schemas.document import ImageReference, InterleavedDocument

URL_NAMES = ("url", "URL", "image_url")
CAPTION_NAMES = ("caption", "TEXT", "text", "alt_text", "top_caption")
"""Columns and JSON keys by preference: img2dataset's, LAION's, COYO's."""


def read(file: BinaryIO, path: str) -> Iterator[Sample | Fault]:
    """The pairs of a tar (`KEY.jpg`, `KEY.txt`, `KEY.json`) or of a Parquet file with URLs and captions.

    Raises `InputError` for a Parquet file without a column of each.
    """
    if path.endswith(".parquet"):
        url, caption = _columns(file, path)
        rows = parquet_rows(file, path, [url, caption])
        return read_samples(path, rows, lambda row: _sample(row[url], row[caption], None))
    return read_samples(path, _tar_samples(file), _from_members)


def _columns(file: BinaryIO, path: str) -> tuple[str, str]:
    there = column_names(file, path)
    url = next((name for name in URL_NAMES if name in there), None)
    caption = next((name for name in CAPTION_NAMES if name in there), None)
    if url is None or caption is None:
        raise InputError(
            f"{path} has the columns {', '.join(there)}; pairs need one of {', '.join(URL_NAMES)} and one of "
            f"{', '.join(CAPTION_NAMES)}"
        )
    return url, caption


def _tar_samples(file: BinaryIO) -> Iterator[dict[str, bytes]]:
    """The members of each sample by suffix; a sample's members stand side by side."""
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        key, members = "", dict[str, bytes]()
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                continue
            at, _, suffix = member.name.partition(".")
            if at != key and members:
                yield members
                members = {}
            key = at
            members[suffix.lower()] = content.read()
        if members:
            yield members


def _from_members(members: dict[str, bytes]) -> Sample:
    fields: dict[str, Any] = json.loads(members.get("json", b"{}"))
    text = members["txt"].decode("utf-8") if "txt" in members else _first(fields, CAPTION_NAMES)
    content = next((members[suffix] for suffix in IMAGE_SUFFIXES if suffix in members), None)
    return _sample(_first(fields, URL_NAMES), text, content)


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name)), None)


def _sample(url: str | None, text: str | None, content: bytes | None) -> Sample:
    if not text or not text.strip():
        raise BadSample("no_text")
    if not url and not content:
        raise BadSample("no_image")
    url = url or content_url(content or b"")
    return Sample(
        document=InterleavedDocument(
            document_id=hashlib.sha256(f"{url}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32],
            url=url,
            texts=[None, text.strip()],
            images=[ImageReference(url=url), None],
        ),
        contents={url: content} if content else {},
    )
