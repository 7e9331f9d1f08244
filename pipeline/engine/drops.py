"""Examples of what a part drops, by reason, for people to inspect: `RUN/drops/STAGE/PART.parquet`.

They are chosen by a hash of the dropped item, not by the order of arrival, so the same part gives the same examples.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from pydantic import Field

from m3w.pipeline.engine.table import Table
from m3w.recipes.section import Section

MOST_CHARACTERS = 20_000
"""Characters that are kept of a dropped text."""


class Drops(Section):
    """Examples of what is dropped, for people to inspect; no stage reads them."""

    keep_per_reason: int = Field(3, ge=0, le=10_000)
    """Examples per reason and part, chosen by a hash of what is dropped; 0 keeps none."""


DROPS = Table(
    "drops",
    pa.schema(
        [
            pa.field("kind", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("signal", pa.string()),
            pa.field("value", pa.float64()),
            pa.field("min", pa.float64()),
            pa.field("max", pa.float64()),
            pa.field("document_id", pa.string(), nullable=False),
            pa.field("url", pa.string(), nullable=False),
            pa.field("language", pa.string()),
            pa.field("text", pa.string()),
            pa.field("image_url", pa.string()),
        ]
    ),
    by_stage=True,
)
"""`kind`: response, page, document, text, image_reference or image; `url`: of the page; `text`: of the page, document
or node, cut; for an image its size, caption and alternative text."""


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One dropped item; if a rule dropped it, with the signal's value and the rule's range."""

    kind: str
    reason: str
    signal: str | None = None
    value: float | None = None
    min: float | None = None
    max: float | None = None
    document_id: str
    url: str
    language: str | None = None
    text: str | None = None
    image_url: str | None = None

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "text": None if self.text is None else self.text[:MOST_CHARACTERS]}

    def number(self) -> int:
        """A hash of the item; the lowest numbers are kept as examples."""
        name = "\n".join((self.document_id, self.kind, self.reason, self.image_url or "", self.text or ""))
        return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def image_drop(row: dict[str, Any], image: dict[str, Any], reason: str) -> Drop:
    """An image of the document `row` that is not in the dataset, with its size, caption and alternative text."""
    description = "; ".join(f"{name}: {image[name]}" for name in ("caption", "alt") if image[name])
    sides = f"{image['width']} x {image['height']} px" if image["width"] else ""
    return Drop(
        kind="image",
        reason=reason,
        document_id=row["document_id"],
        url=row["url"],
        language=row["language"],
        text="; ".join(filter(None, (sides, description))) or None,
        image_url=image["url"],
    )


class DropExamples:
    """The drops of one part with the lowest numbers, `keep_per_reason` of each kind and reason."""

    def __init__(self, keep_per_reason: int):
        self._keep = keep_per_reason
        self._heaps: dict[tuple[str, str], list[tuple[int, int, Drop]]] = {}
        self._arrivals = 0

    def add(self, drop: Drop) -> None:
        if not self._keep:
            return
        self._arrivals += 1  # only so that two drops are never compared
        heap = self._heaps.setdefault((drop.kind, drop.reason), [])
        entry = (-drop.number(), -self._arrivals, drop)
        if len(heap) < self._keep:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def rows(self) -> list[dict[str, Any]]:
        """By kind and reason, then by number."""
        return [drop.row() for key in sorted(self._heaps) for _, _, drop in sorted(self._heaps[key], reverse=True)]
