"""Stage `unique`: removes copies, and the repetitions in the documents that remain.

The image fetch reads the result, so nothing is fetched for what is removed here. `documents` of `filter` = `documents`
+ `documents_dropped.REASON`; of the text nodes of documents that are not copies, `text_nodes` are kept and
`text_nodes_dropped.repeated_on_site` are removed. A document that loses text is measured again; one that loses all of
it is dropped as `only_repeated_text`. An image that must not be fetched keeps its position, with the reason as its
status: `frequent_url` or `repeated_in_document`.
"""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa

from m3w.pipeline.dedup.repeated import documents_and_reasons, reasons_by_row
from m3w.pipeline.dedup.repetition import REPEATED_IN_DOCUMENT, RepetitionSettings, paragraph_keys, url_keys
from m3w.pipeline.engine.drops import DROPS
from m3w.pipeline.engine.output_files import ROWS
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Flow, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.filters.nodes import TEXT, drop_of
from m3w.pipeline.filters.signals import CustomSignal, load_signals
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.registry import SignalEntry
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.tables import COPIES, DOCUMENT_HASHES, KEPT, REPEATED, UNIQUE
from m3w.schemas.document import InterleavedDocument

FREQUENT_URL = "frequent_url"
REPEATED_ON_SITE, ONLY_REPEATED_TEXT = "repeated_on_site", "only_repeated_text"


@settings
class UniqueSettings(RepetitionSettings):
    repeated_images: bool = key("duplicates.repeated_images")
    signals: dict[str, SignalEntry] = key("signals")


@per_part(
    reads=[KEPT, DOCUMENT_HASHES.required, COPIES, REPEATED.optional],
    writes=[UNIQUE, DROPS],
    settings=UniqueSettings,
    version=2,
    units=("documents",),
    flows=(
        Flow(
            unit="documents",
            entered_as="documents within the rules",
            entered=("filter", "documents"),
            kept_as="unique documents",
            kept="documents",
        ),
    ),
    causes={
        "evaluation_text": "evaluation",
        ONLY_REPEATED_TEXT: "left_over",
    },
    cause="duplicate",
)
def unique(io: StageIO, repetitions: UniqueSettings) -> None:
    """Remove copies and repetitions from the part. Copies get no examples, since `duplicates/copies` lists them all."""
    if repetitions.finds_repetitions or repetitions.repeated_images:
        _change(io, repetitions)
    else:
        _copy(io)


def _copy(io: StageIO) -> None:
    """Remove copies and nothing else, on columns, without a Python object per document."""
    copies = reasons_by_row(io)
    start = 0
    with io.write(UNIQUE, like=KEPT) as documents:
        for batch in io.batches(KEPT, size=ROWS):
            reasons = [copies.get(row) for row in range(start, start + batch.num_rows)]
            kept = batch.filter(pa.array([reason is None for reason in reasons], pa.bool_()))
            if kept.num_rows:
                documents.write_columns(kept)
            start += batch.num_rows
            for reason in reasons:
                _count(io, reason)


def _count(io: StageIO, reason: str | None) -> None:
    if reason is None:
        io.counters["documents"] += 1
    else:
        io.count_dropped("documents", reason)


def _change(io: StageIO, repetitions: UniqueSettings) -> None:
    """Remove copies, and repetitions from the other documents."""
    repeated, signals = {row["key"] for row in io.rows(REPEATED)}, load_signals(repetitions.signals)
    with io.write(UNIQUE, like=KEPT) as documents:
        for row, reason in documents_and_reasons(io):
            kept = row if reason is None else None
            if kept is not None and repetitions.paragraph_documents is not None:
                kept = _without_paragraphs(kept, repeated, signals, io)
                reason = ONLY_REPEATED_TEXT if kept is None else None
            if kept is not None:
                _mark_images(kept, repetitions, repeated)
                documents.write(kept)
            _count(io, reason)


def _without_paragraphs(
    row: dict[str, Any], repeated: set[bytes], signals: dict[str, CustomSignal], io: StageIO
) -> dict[str, Any] | None:
    """The document without the text nodes that its site repeats; None if all of its text is removed."""
    keys = paragraph_keys(row)
    removed = [key is not None and key in repeated for key in keys]
    nodes = sum(text is not None for text in row["texts"])
    io.counters["text_nodes"] += nodes - sum(removed)
    if not any(removed):
        return row
    document = InterleavedDocument.from_row(row)
    for text in itertools.compress(document.texts, removed):
        io.drop("text_nodes", drop_of(TEXT, REPEATED_ON_SITE, document, text, None))
    for name in ("texts", "images"):
        row[name] = [node for node, is_removed in zip(row[name], removed, strict=True) if not is_removed]
    if not any(row["texts"]):
        io.example(drop_of("document", ONLY_REPEATED_TEXT, document, document_text(document), None))
        return None
    document = InterleavedDocument.from_row(row)
    measure(document, custom=signals)
    return document.row()


def _mark_images(row: dict[str, Any], repetitions: UniqueSettings, repeated: set[bytes]) -> None:
    """Set the status of images that must not be fetched."""
    seen: set[bytes] = set()
    for image, url_key in zip(row["images"], url_keys(row), strict=True):
        if url_key is None:
            continue
        if repetitions.image_url_documents is not None and url_key in repeated:
            image["status"] = FREQUENT_URL
        elif repetitions.repeated_images and url_key in seen:
            image["status"] = REPEATED_IN_DOCUMENT
        seen.add(url_key)
