"""NeMo Curator's interleaved rows: Parquet with a row for each node, and one at position -1 for the document.

`sample_id`, `position`, `modality` (`text`, `image`, `metadata`), `content_type`, `text_content`, `binary_content`,
`source_ref` (JSON: where an image's bytes are) and `materialize_error` are its columns; it passes others through. Ours
are `url`, `image_url`, `alt` and `caption`. The rows of a document are consecutive. A `source_ref` is not followed: the
file may come from strangers, and it could name any file of this machine or its network.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, BinaryIO

import pyarrow as pa

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.documents import (
    BadDocument,
    ImportedDocument,
    content_url,
    exported_nodes,
    parquet_rows,
    read_documents,
)
from m3w.schemas.document import ImageReference, InterleavedDocument

REQUIRED = ["sample_id", "position", "modality"]
SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("content_type", pa.string()),
        pa.field("text_content", pa.string()),
        pa.field("binary_content", pa.large_binary()),
        pa.field("source_ref", pa.string()),
        pa.field("materialize_error", pa.string()),
        pa.field("url", pa.string()),
        pa.field("image_url", pa.string()),
        pa.field("alt", pa.string()),
        pa.field("caption", pa.string()),
    ]
)
OPTIONAL = [name for name in (*SCHEMA.names, "source_url", "page_url") if name not in REQUIRED]
PAGE_NAMES = ("url", "source_url", "page_url")


def read(file: BinaryIO, path: str) -> Iterator[ImportedDocument | Fault]:
    """The documents of a Parquet file of rows. A document that has an image without bytes and URL becomes a fault."""
    groups = itertools.groupby(parquet_rows(file, path, REQUIRED, OPTIONAL), key=itemgetter("sample_id"))
    documents = ({"id": name, "rows": sorted(rows, key=itemgetter("position"))} for name, rows in groups)
    return read_documents(path, documents, _document)


def _document(group: dict[str, Any]) -> ImportedDocument:
    rows = group["rows"]
    pages = (row.get(name) for row in rows for name in PAGE_NAMES)
    url = next((page for page in pages if page), f"urn:sample:{group['id']}")
    contents: dict[str, bytes] = {}
    texts: list[str | None] = []
    images: list[ImageReference | None] = []
    for row in rows:
        if row["modality"] == "text" and row["text_content"]:
            texts.append(row["text_content"])
            images.append(None)
        elif row["modality"] == "image":
            texts.append(None)
            images.append(_reference(row, contents))
    return ImportedDocument(document=InterleavedDocument(url=url, texts=texts, images=images), contents=contents)


def _reference(row: dict[str, Any], contents: dict[str, bytes]) -> ImageReference:
    content = row.get("binary_content")
    url = row.get("image_url") or (content_url(content) if content else None)
    if url is None:
        raise BadDocument("image_without_bytes_and_url")
    if content:
        contents[url] = content
    return ImageReference(url=url, alt=row.get("alt"), caption=row.get("caption"))


def write(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of `SCHEMA` for a row of the dataset."""
    blank = {**dict.fromkeys(SCHEMA.names), "sample_id": row["document_id"], "url": row["url"]}
    rows = [{**blank, "position": -1, "modality": "metadata", "content_type": "application/json"}]
    for position, (text, image, content) in enumerate(exported_nodes(row)):
        node = {**blank, "position": position, "modality": "text", "content_type": "text/plain", "text_content": text}
        if image is not None:
            node |= {"modality": "image", "content_type": image.mime, "binary_content": content}
            node |= {"image_url": image.url, "alt": image.alt, "caption": image.caption}
        rows.append(node)
    return rows
