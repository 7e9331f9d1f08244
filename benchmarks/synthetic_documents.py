"""Synthetic documents, fast and reproducible, with planted copies of every kind.

Of 100 documents, 80 are new; 6 are an earlier one with two words changed, 4 have its text, 4 its page at a later crawl,
3 its images, 3 are its record. Each of 500 sites has the same menu in a fifth of its documents, and a tenth of the
documents show one of 20 buttons.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.schemas.document import ImageReference, InterleavedDocument

KINDS = ("near", "text", "page", "images", "record")
_OF_100 = {"near": 6, "text": 4, "page": 4, "images": 3, "record": 3}
_VOCABULARY = 20_000
_COLUMNS = [name for name in DOCUMENT_SCHEMA.names if name != "signals"]
_START = datetime(2020, 1, 1, tzinfo=UTC)


def vocabulary(count: int) -> list[str]:
    """Made-up words of 2 to 9 letters."""
    rng = np.random.default_rng(7)
    letters = rng.choice(list("etaoinshrdlucmfwypvbgkjqxz"), (count, 9))
    return ["".join(row[:length]) for row, length in zip(letters, rng.integers(2, 10, count), strict=True)]


WORDS = np.array(vocabulary(_VOCABULARY), dtype=object)


def row(number: int, signals: dict[str, float]) -> dict[str, Any]:
    """The document of this number as a row of `DOCUMENT_SCHEMA`, quicker than by `InterleavedDocument.row`."""
    made = document(number)
    values = {name: getattr(made, name) for name in _COLUMNS} | {"signals": signals}
    values["images"] = [image and {"url": image.url} for image in made.images]
    return values


def document(number: int) -> InterleavedDocument:
    """The document of this number; a copy is of a new document at most 1,000 before it."""
    kind = kind_of(number)
    if kind is None:
        return _new(number)
    original = _new(original_of(number))
    if kind == "record":
        return original
    fresh = _new(number)
    if kind == "page":
        return _with(fresh, url=original.url, crawled_at=fresh.crawled_at)
    if kind == "images":
        return _with(fresh, images=original.images)
    texts = list(original.texts)
    if kind == "near":
        changed = str(texts[0]).split()
        changed[3], changed[-3] = f"{number}x", f"{number}y"
        texts[0] = " ".join(changed)
    return _with(fresh, texts=texts)


def kind_of(number: int) -> str | None:
    """What the document is a copy by; None for a new one."""
    kind_number = number % 100 - 80
    if number < 100 or kind_number < 0:
        return None
    for kind, share in _OF_100.items():
        if kind_number < share:
            return kind
        kind_number -= share
    return None


def original_of(number: int) -> int:
    """A new document between 100 and 1,000 before, as far as there are so many; each has one copy at most."""
    hundreds = number // 100
    back = 1 + number % min(10, hundreds)
    return (hundreds - back) * 100 + (number % 100 - 80) + 20 * (back % 4)


def _new(number: int) -> InterleavedDocument:
    rng = np.random.default_rng(number)
    word_ids = (_VOCABULARY * rng.random(int(rng.integers(80, 320))) ** 3).astype(int)
    host = f"site-{number % 500}.example"
    half = len(word_ids) // 2
    texts: list[str | None] = [" ".join(WORDS[word_ids[:half]]), None, " ".join(WORDS[word_ids[half:]]), None]
    images = [None, ImageReference(url=f"http://{host}/{number}.jpg"), None, _last_image(number, host)]
    if number % 5 == 0:
        texts.append(f"home news contact about us on {host}")
        images.append(None)
    crawled = _START + timedelta(minutes=number)
    return InterleavedDocument(url=f"http://{host}/{number}", texts=texts, images=images, crawled_at=crawled)


def _last_image(number: int, host: str) -> ImageReference:
    button = number % 10 == 1
    return ImageReference(url=f"http://buttons.example/{number % 20}.png" if button else f"http://{host}/{number}b.jpg")


def _with(document: InterleavedDocument, **changes: Any) -> InterleavedDocument:
    """A document with other values, and the id that its address and time give it."""
    values = {name: getattr(document, name) for name in ("url", "texts", "images", "crawled_at")}
    return InterleavedDocument(**{**values, **changes})
