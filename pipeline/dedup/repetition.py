"""Paragraphs that many documents of a site contain, and image URLs that many documents show.

Both are counted in one shuffle over the documents that are not copies: for each part, a key and the number of its
documents that have it. A group holds its keys in memory, once per part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3w.pipeline.dedup.keys import (
    KEY_BYTES,
    buckets,
    image_url_key,
    paragraph_key,
    site_of,
    sortable,
    to_array,
    to_matrix,
)
from m3w.pipeline.engine.settings import key, settings

REPEATED_IN_DOCUMENT = "repeated_in_document"
"""The status of an image that the document shows higher up."""
COUNTS = pa.schema([("key", pa.binary(KEY_BYTES)), ("most", pa.int64()), ("documents", pa.int64())])


@settings
class RepetitionSettings:
    paragraph_documents: int | None = key("duplicates.paragraph_documents")
    image_url_documents: int | None = key("duplicates.image_url_documents")

    @property
    def finds_repetitions(self) -> bool:
        """Whether paragraphs or image URLs are counted over the run."""
        return self.paragraph_documents is not None or self.image_url_documents is not None


def paragraph_keys(row: dict[str, Any]) -> list[bytes | None]:
    """The key of each text node; None for images and empty texts."""
    site = site_of(row["url"])
    return [None if text is None else paragraph_key(site, text) for text in row["texts"]]


def url_keys(row: dict[str, Any]) -> list[bytes | None]:
    """The key of each image URL that is still to be fetched; None elsewhere."""
    return [
        None if image is None or image["status"] is not None else image_url_key(image["url"]) for image in row["images"]
    ]


def count(rows: Iterable[dict[str, Any]], switches: RepetitionSettings) -> pa.Table:
    """`COUNTS` over some documents: each key, how many documents may have it, and how many of `rows` have it."""
    paragraphs: Counter[bytes] = Counter()
    urls: Counter[bytes] = Counter()
    for row in rows:
        if switches.paragraph_documents is not None:
            paragraphs.update({key for key in paragraph_keys(row) if key is not None})
        if switches.image_url_documents is not None:
            urls.update({key for key in url_keys(row) if key is not None})
    kinds = ((paragraphs, switches.paragraph_documents), (urls, switches.image_url_documents))
    columns = {
        "key": [key for counts, _ in kinds for key in counts],
        "most": [most for counts, most in kinds for _ in counts],
        "documents": [number for counts, _ in kinds for number in counts.values()],
    }
    return pa.table(columns, schema=COUNTS)


def by_key(counts: pa.Table, part: str, groups: int) -> pa.Table:
    group = buckets(to_matrix(counts["key"]), groups)
    names = pa.array([part] * len(group), pa.string())
    return counts.append_column("group", pa.array(group)).append_column("part", names)


def too_frequent(group: pa.Table) -> pa.Table:
    """Keys that more documents have than allowed, as `group` (each part that has the key) and `key`."""
    keys = to_matrix(group["key"])
    _, first, number = np.unique(sortable(keys), return_index=True, return_inverse=True)
    documents = np.zeros(len(first), np.int64)
    np.add.at(documents, number, group["documents"].to_numpy())
    over: NDArray[np.bool_] = (documents > group["most"].to_numpy()[first])[number]
    return pa.table({"group": group["part"].combine_chunks().filter(pa.array(over)), "key": to_array(keys[over])})
