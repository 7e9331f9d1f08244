"""Which of several copies stays: the one of the smallest rank, a byte string whose order is the rule.

`richest` (40 bytes): more images, then more characters of text, then as `newest`. `newest` (its last 32 bytes): the
later crawl, then the smaller document id, then the first by part and row. As a rank ends with the document's place,
no two are equal; so what stays depends on no order of input and on no number of workers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.pipeline.dedup.bytestrings import Bytes, to_matrix

RICHEST_BYTES = 40
NEWEST = slice(8, 40)
AGE_AND_ID = slice(8, 32)
"""`newest` without the place."""
ID = slice(16, 32)


def ranks(fingerprints: pa.Table, part: int) -> Bytes:
    """`richest` [documents, 40] of the fingerprints of a part; `part` is its number in the order of names.

    A crawl of unknown time counts as the oldest.
    """
    count = fingerprints.num_rows
    columns = (
        _falling(fingerprints["images"].to_numpy(), ">u4"),
        _falling(fingerprints["characters"].to_numpy(), ">u4"),
        _falling(pc.fill_null(fingerprints["crawled_at"].cast(pa.int64()), 0).to_numpy(), ">u8"),
        to_matrix(fingerprints["document_id"]),
        _big_endian(np.full(count, part), ">u4"),
        _big_endian(np.arange(count), ">u4"),
    )
    return np.concatenate(columns, axis=1)


def places(richest: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of parts, and rows."""
    numbers = np.ascontiguousarray(richest[:, -8:]).view(">u4").astype(np.int64)
    return numbers[:, 0], numbers[:, 1]


def age_and_id(crawled_at: int | None, document_id: str) -> bytes:
    """`newest` of one document without its place; `crawled_at` in microseconds since 1970."""
    return (2**64 - 1 - max(0, crawled_at or 0)).to_bytes(8, "big") + bytes.fromhex(document_id)


def _falling(values: NDArray[np.int64], form: str) -> Bytes:
    """Bytes whose order is that of the numbers, the largest first."""
    largest = np.iinfo(form).max
    return _big_endian(np.uint64(largest) - np.clip(values, 0, min(largest, 2**63 - 1)).astype(np.uint64), form)


def _big_endian(values: NDArray[Any], form: str) -> Bytes:
    width = np.dtype(form).itemsize
    return np.ascontiguousarray(values.astype(form)).view(np.uint8).reshape(len(values), width)
