"""What is measured on documents, nodes and images; rules look at these numbers. See `registry` on how to add one.

The order of the imports below is the order in which documents' signals are registered, and so their order on disk.
"""

# ruff: noqa: I001
from m3w.pipeline.filters.signals.registry import (
    DOCUMENT,
    IMAGE,
    LANGUAGE_SCORE,
    REFERENCE,
    TEXT,
    CustomSignal,
    Signal,
    check_signals,
    load_signals,
)
from m3w.pipeline.filters.signals import document, node, gopher, obelics, c4, image
from m3w.schemas.document import dataset_schema, document_schema

DOCUMENT_SIGNALS = DOCUMENT.names
"""Names of the numbers in a document's `signals`, in their order on disk; a recipe's own follow them."""
TEXT_SIGNALS = TEXT.names
REFERENCE_SIGNALS = REFERENCE.names
IMAGE_SIGNALS = IMAGE.names
"""Names of the numbers in the image index's `signals`, in their order on disk."""
DOCUMENT_SCHEMA = document_schema(DOCUMENT_SIGNALS)
"""A document between stages, with the built-in signals: no image bytes."""
DATASET_SCHEMA = dataset_schema(DOCUMENT_SIGNALS)
"""A document of the finished dataset, with the built-in signals."""


def tables() -> str:
    """The tables of docs/filtering.md."""
    return "\n\n".join(
        f"### {title}\n\n{table}"
        for title, table in (
            ("Of a document", DOCUMENT.table(LANGUAGE_SCORE)),
            ("Of a text node", TEXT.table()),
            ("Of an image reference, before it is fetched", REFERENCE.table()),
        )
    )


__all__ = [
    "DATASET_SCHEMA",
    "DOCUMENT",
    "DOCUMENT_SCHEMA",
    "DOCUMENT_SIGNALS",
    "IMAGE",
    "IMAGE_SIGNALS",
    "LANGUAGE_SCORE",
    "REFERENCE",
    "REFERENCE_SIGNALS",
    "TEXT",
    "TEXT_SIGNALS",
    "CustomSignal",
    "Signal",
    "c4",
    "check_signals",
    "document",
    "gopher",
    "image",
    "load_signals",
    "node",
    "obelics",
    "tables",
]
