"""The byte strings by which documents are compared and ordered: keys, ranks, and Arrow columns of them.

A key is 16 bytes that are equal for what counts as the same page, text, paragraph or set of images: a hash (BLAKE2b) of
a normal form. With 10^10 keys of 128 bits, the chance of one wrong pair is 10^-19.

A rank decides which of several copies stays: the one with the smallest. `richest` (40 bytes) prefers more images, then
more characters of text, then `newest`. `newest` (its last 32 bytes) prefers the later crawl, then the smaller document
id, then the first by part and row. As a rank ends with the document's part and row, no two are equal, so the result
does not depend on the order of the input or the number of workers.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.pipeline.crawl.urls import host_of, without_fragment

Bytes = NDArray[np.uint8]
"""[n, width]: byte strings of one length."""
KEY_BYTES = 16
RICHEST_BYTES = 40
NEWEST = slice(8, 40)
AGE_AND_ID = slice(8, 32)
"""`newest` without part and row."""
ID = slice(16, 32)
_INDEX = re.compile(r"/(?:index|default)\.(?:html?|php|aspx?|jsp)\Z", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def key(*parts: bytes) -> bytes:
    """The key of a sequence of byte strings. Their lengths are hashed, too, so that no two sequences coincide."""
    state = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def page_key(url: str, canonical: str | None) -> bytes:
    """The key of a page: of its canonical URL if that is on the same site, else of its own URL."""
    if canonical and site_of(canonical) == site_of(url) != "":
        url = canonical
    return key(normal_url(url).encode("utf-8", "surrogatepass"))


def normal_url(url: str) -> str:
    """`url` without the parts that do not distinguish pages.

    Removed: scheme, `www.`, user, the scheme's default port, fragment, slashes at the end of the path, `/index.html`
    and the like, an empty query, the escaping of bytes. Kept: the case of the path and the whole query in its order,
    since servers may distinguish them.
    """
    try:
        parts = urlsplit(without_fragment(url).strip())
        port = parts.port
    except ValueError:  # brackets that hold no IPv6 address, a port that is no number
        return url
    shown = f":{port}" if port and port != _PORTS.get(parts.scheme) else ""
    path = _INDEX.sub("/", parts.path).rstrip("/")
    unescaped = unquote_to_bytes(path.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
    return f"{site_of(url)}{shown}{unescaped}{'?' if parts.query else ''}{parts.query}"


def site_of(url: str) -> str:
    """The host in lower case without `www.`; empty where there is none."""
    return host_of(url).removeprefix("www.")


def normal_text(text: str) -> str:
    """`text` in NFKC, case-folded, with one space for each run of white space. Digits and punctuation count."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        return " ".join(text.split())
    return " ".join(text.lower().split())


def text_key(texts: Iterable[str | None]) -> bytes | None:
    """The key of a document's joined text nodes; None for a document without text, which is a copy of no other."""
    whole = normal_text(" ".join(text for text in texts if text is not None))
    return key(whole.encode("utf-8", "surrogatepass")) if whole else None


def paragraph_key(site: str, text: str) -> bytes | None:
    """The key of one text node on a site; None if it is empty."""
    whole = normal_text(text)
    return key(site.encode("utf-8", "surrogatepass"), whole.encode("utf-8", "surrogatepass")) if whole else None


def images_key(urls: Iterable[str]) -> bytes | None:
    """The key of the set of image URLs; None for the empty set."""
    distinct = sorted({without_fragment(url) for url in urls})
    return key(*(url.encode("utf-8", "surrogatepass") for url in distinct)) if distinct else None


def image_url_key(url: str) -> bytes:
    return key(without_fragment(url).encode("utf-8", "surrogatepass"))


def ranks(hashes: pa.Table, part: int) -> Bytes:
    """`richest` [documents, 40] of the document hashes of a part; `part` is its number in the order of names.

    A crawl of unknown time counts as the oldest.
    """
    count = hashes.num_rows
    columns = (
        _descending(hashes["images"].to_numpy(), ">u4"),
        _descending(hashes["characters"].to_numpy(), ">u4"),
        _descending(pc.fill_null(hashes["crawled_at"].cast(pa.int64()), 0).to_numpy(), ">u8"),
        to_matrix(hashes["document_id"]),
        _big_endian(np.full(count, part), ">u4"),
        _big_endian(np.arange(count), ">u4"),
    )
    return np.concatenate(columns, axis=1)


def parts_and_rows(richest: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the parts of some documents, and their rows in these parts."""
    numbers = np.ascontiguousarray(richest[:, -8:]).view(">u4").astype(np.int64)
    return numbers[:, 0], numbers[:, 1]


def age_and_id(crawled_at: int | None, document_id: str) -> bytes:
    """`newest` of one document without part and row; `crawled_at` in microseconds since 1970."""
    return (2**64 - 1 - max(0, crawled_at or 0)).to_bytes(8, "big") + bytes.fromhex(document_id)


def _descending(values: NDArray[np.int64], form: str) -> Bytes:
    """Bytes that sort by the numbers, the largest first."""
    largest = np.iinfo(form).max
    return _big_endian(np.uint64(largest) - np.clip(values, 0, min(largest, 2**63 - 1)).astype(np.uint64), form)


def _big_endian(values: NDArray[Any], form: str) -> Bytes:
    width = np.dtype(form).itemsize
    return np.ascontiguousarray(values.astype(form)).view(np.uint8).reshape(len(values), width)


def to_matrix(column: Any) -> Bytes:
    """The values [n, width] of a fixed-size binary column without nulls."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.byte_width
    values = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return values[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)


def to_array(matrix: Bytes) -> Any:
    """[n, width] as a column of `pa.binary(width)`."""
    count, width = matrix.shape
    buffer = pa.py_buffer(np.ascontiguousarray(matrix).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, buffer])


def sortable(matrix: Bytes) -> NDArray[np.bytes_]:
    """The rows as values that numpy sorts as byte strings; zeros at the end are harmless, as all have one length."""
    return np.ascontiguousarray(matrix).view(f"S{matrix.shape[1]}").ravel()


def buckets(matrix: Bytes, count: int) -> NDArray[np.int64]:
    """A number below `count` for each row, from its first eight bytes, which must be those of a hash."""
    numbers = np.ascontiguousarray(matrix[:, :8]).view(">u8").ravel()
    return (numbers.astype(np.uint64) % np.uint64(count)).astype(np.int64)
