"""OBELICS' format (arXiv 2306.16527): Parquet rows of `images` (URLs), `metadata`, `general_metadata` and `texts`.

`images` and `texts` are parallel lists, null in one where the other has a node; `metadata` is a JSON list with the
page's description of each image, `general_metadata` a JSON object with the page's URL and its location in the crawl.
There are no image bytes: imported images have to be fetched, and an export loses bytes, captions and signals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.documents import BadDocument, ImportedDocument, exported_nodes, parquet_rows, read_documents
from m3w.schemas.document import ImageReference, InterleavedDocument

SCHEMA = pa.schema(
    [
        pa.field("images", pa.list_(pa.string())),
        pa.field("metadata", pa.string()),
        pa.field("general_metadata", pa.string()),
        pa.field("texts", pa.list_(pa.string())),
    ]
)


def read(file: BinaryIO, path: str) -> Iterator[ImportedDocument | Fault]:
    """The documents of a Parquet file."""
    return read_documents(path, parquet_rows(file, path, SCHEMA.names), _document)


def _document(row: dict[str, Any]) -> ImportedDocument:
    texts, urls = row["texts"] or [], row["images"] or []
    entries = json.loads(row["metadata"] or "[]") or [None] * len(urls)
    page = json.loads(row["general_metadata"] or "{}") or {}
    stated = (entry["document_url"] for entry in entries if entry and "document_url" in entry)
    url = page.get("url") or next(stated, None)
    if not isinstance(url, str):
        raise BadDocument("no_page_url")
    if not len(texts) == len(urls) == len(entries):
        raise BadDocument("lists_differ_in_length")
    nodes = [
        (text, _reference(source, entry or {}) if source else None)
        for text, source, entry in zip(texts, urls, entries, strict=True)
        if text or source
    ]
    return ImportedDocument(
        document=InterleavedDocument(
            url=url,
            texts=[None if image else text for text, image in nodes],
            images=[image for _, image in nodes],
            warc_path=page.get("warc_filename"),
            warc_offset=_number(page.get("warc_record_offset")),
            warc_length=_number(page.get("warc_record_length")),
        )
    )


def _reference(url: str, entry: dict[str, Any]) -> ImageReference:
    return ImageReference(
        url=url,
        alt=entry.get("alt_text"),
        declared_width=_number(entry.get("rendered_width")),
        declared_height=_number(entry.get("rendered_height")),
    )


def _number(value: Any) -> int | None:
    return int(value) if value is not None else None


def write(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row of `SCHEMA` for a row of the dataset."""
    nodes = list(exported_nodes(row))
    columns = {"warc_filename": "warc_path", "warc_record_offset": "warc_offset", "warc_record_length": "warc_length"}
    return [
        {
            "images": [image.url if image else None for _, image, _ in nodes],
            "metadata": json.dumps([_metadata(row["url"], image) if image else None for _, image, _ in nodes]),
            "general_metadata": json.dumps({"url": row["url"], **{name: row[ours] for name, ours in columns.items()}}),
            "texts": [text for text, _, _ in nodes],
        }
    ]


def _metadata(page: str, image: ImageReference) -> dict[str, Any]:
    assert image.mime is not None
    values = {
        "alt_text": image.alt,
        "rendered_width": image.declared_width,
        "rendered_height": image.declared_height,
        "original_width": image.width,
        "original_height": image.height,
        "format": image.mime.removeprefix("image/"),
    }
    known = {name: value for name, value in values.items() if value is not None}
    return {"document_url": page, "unformatted_src": image.url, "src": image.url, **known}
