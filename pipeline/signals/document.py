"""Signals of a document; one number for each name in `schemas.document.DOCUMENT_SIGNALS`."""

from __future__ import annotations

from pipeline.signals.language import identify
from schemas.document import VIDEO, InterleavedDocument


def measure(document: InterleavedDocument) -> None:
    """Fill in the document's language and signals.

    `words`: runs of characters between white space, over all text nodes. `characters`: their length with white space.
    `text_nodes`, `image_nodes`: how many nodes of each kind; videos are neither.
    """
    texts = [text for text in document.texts if text is not None]
    images = [image for image in document.images if image is not None and image.status != VIDEO]
    document.language, document.language_score = identify("\n".join(texts))
    document.signals = {
        "words": float(sum(len(text.split()) for text in texts)),
        "characters": float(sum(len(text) for text in texts)),
        "text_nodes": float(len(texts)),
        "image_nodes": float(len(images)),
    }
