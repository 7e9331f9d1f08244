"""OBELICS' form (arXiv 2306.16527): Parquet rows of `images` (URLs), `metadata`, `general_metadata` and `texts`.

`images` and `texts` are parallel lists, null in one where the other has a node; `metadata` is a JSON list with what the
page says of each image, `general_metadata` a JSON object with the page's URL and place in the crawl. There are no image
bytes in it: what comes from it goes on to `fetch`, and what goes there loses captions, signals and bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.rows import parquet_rows, read_samples
from m3w.pipeline.exchange.sample import BadSample, Sample, exported_nodes
from m3w.schemas.document import ImageReference, InterleavedDocument

SCHEMA = pa.schema(
    [
        pa.field("images", pa.list_(pa.string())),
        pa.field("metadata", pa.string()),
        pa.field("general_metadata", pa.string()),
        pa.field("texts", pa.list_(pa.string())),
    ]
)


def read(file: BinaryIO, path: str) -> Iterator[Sample | Fault]:
    """The documents of a Parquet file."""
    return read_samples(path, parquet_rows(file, path, SCHEMA.names), _sample)


def _sample(row: dict[str, Any]) -> Sample:
    texts, urls = row["texts"] or [], row["images"] or []
    said = json.loads(row["metadata"] or "[]") or [None] * len(urls)
    page = json.loads(row["general_metadata"] or "{}") or {}
    url = page.get("url") or next((entry["document_url"] for entry in said if entry and "document_url" in entry), None)
    if not isinstance(url, str):
        raise BadSample("no_page_url")
    if not len(texts) == len(urls) == len(said):
        raise BadSample("lists_differ_in_length")
    nodes = [
        (text, _reference(source, entry or {}) if source else None)
        for text, source, entry in zip(texts, urls, said, strict=True)
        if text or source
    ]
    return Sample(
        document=InterleavedDocument(
            url=url,
            texts=[None if image else text for text, image in nodes],
            images=[image for _, image in nodes],
            warc_path=page.get("warc_filename"),
            warc_offset=_number(page.get("warc_record_offset")),
            warc_length=_number(page.get("warc_record_length")),
        )
    )


def _reference(url: str, said: dict[str, Any]) -> ImageReference:
    return ImageReference(
        url=url,
        alt=said.get("alt_text"),
        declared_width=_number(said.get("rendered_width")),
        declared_height=_number(said.get("rendered_height")),
    )


def _number(value: Any) -> int | None:
    return int(value) if value is not None else None


def write(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row of `SCHEMA` for a row of the dataset."""
    nodes = list(exported_nodes(row))
    place = {"warc_filename": "warc_path", "warc_record_offset": "warc_offset", "warc_record_length": "warc_length"}
    return [
        {
            "images": [image.url if image else None for _, image, _ in nodes],
            "metadata": json.dumps([_metadata(row["url"], image) if image else None for _, image, _ in nodes]),
            "general_metadata": json.dumps({"url": row["url"], **{name: row[ours] for name, ours in place.items()}}),
            "texts": [text for text, _, _ in nodes],
        }
    ]


def _metadata(page: str, image: ImageReference) -> dict[str, Any]:
    assert image.mime is not None
    said = {
        "alt_text": image.alt,
        "rendered_width": image.declared_width,
        "rendered_height": image.declared_height,
        "original_width": image.width,
        "original_height": image.height,
        "format": image.mime.removeprefix("image/"),
    }
    known = {name: value for name, value in said.items() if value is not None}
    return {"document_url": page, "unformatted_src": image.url, "src": image.url, **known}
