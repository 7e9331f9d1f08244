"""Rows that the library `datasets` gives out with decoded pictures: `texts` and `images` as parallel lists.

The dataset's own Parquet loads there too, with the images as bytes; this form says in the file's metadata that they are
pictures. Where a node is no text or no image, that list has null.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from m3w.pipeline.exchange.sample import exported_nodes
from m3w.schemas.document import TIME

FIELDS = [
    pa.field("document_id", pa.string()),
    pa.field("url", pa.string()),
    pa.field("title", pa.string()),
    pa.field("language", pa.string()),
    pa.field("crawled_at", TIME),
    pa.field("texts", pa.list_(pa.string())),
    pa.field("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
]


def _value(kind: str) -> dict[str, str]:
    return {"dtype": kind, "_type": "Value"}


FEATURES = {
    **{name: _value("string") for name in ("document_id", "url", "title", "language")},
    "crawled_at": _value("timestamp[us, tz=UTC]"),
    "texts": {"feature": _value("string"), "_type": "List"},
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
}
"""As `datasets` writes them itself."""
SCHEMA = pa.schema(FIELDS, metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})})


def write(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row of `SCHEMA` for a row of the dataset."""
    nodes = list(exported_nodes(row))
    own = {name: row[name] for name in ("document_id", "url", "title", "language", "crawled_at")}
    return [
        {
            **own,
            "texts": [text for text, _, _ in nodes],
            "images": [{"bytes": content, "path": None} if image else None for _, image, content in nodes],
        }
    ]
