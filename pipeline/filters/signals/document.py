"""Signals of a document: one number for each name in `m3w.schemas.document.DOCUMENT_SIGNALS`.

What each is, and where it is from, is said once, in `m3w.pipeline.filters.signals.definitions`. A share of nothing is
0. Cost: linear in the text, but for sorts of its repeated n-grams and of its characters.
"""

from __future__ import annotations

from m3w.pipeline.filters.signals.c4 import c4
from m3w.pipeline.filters.signals.gopher import quality, repetition
from m3w.pipeline.filters.signals.language import identify
from m3w.pipeline.filters.signals.obelics import obelics
from m3w.pipeline.filters.signals.text import count_sentences, document_text, lines_of, paragraphs_of
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordLists
from m3w.pipeline.filters.signals.words import Words
from m3w.schemas.document import DOCUMENT_SIGNALS, VIDEO, InterleavedDocument

_SHIPPED = ListsByLanguage()


def measure(document: InterleavedDocument, lists: ListsByLanguage | None = None) -> None:
    """Fill in the document's language and signals."""
    document.language, document.language_score = identify("\n".join(text for text in document.texts if text))
    measure_again(document, lists)


def measure_again(document: InterleavedDocument, lists: ListsByLanguage | None = None) -> None:
    """Fill in the signals of a document that has lost nodes; its language stays as it was identified."""
    signals = text_signals(document_text(document), (lists or _SHIPPED).of(document.language))
    signals |= count_nodes(document)
    document.signals = {name: signals[name] for name in DOCUMENT_SIGNALS}


def text_signals(text: str, lists: WordLists) -> dict[str, float]:
    """All signals of a document's text, by name."""
    words, lines, paragraphs = Words(text), lines_of(text), paragraphs_of(text)
    return {
        "words": float(words.count),
        "sentences": float(count_sentences(text)),
        **quality(text, words, lines, lists),
        **repetition(text, words, lines, paragraphs),
        **obelics(text, words, lists),
        **c4(text, lines, int(words.lengths.max(initial=0))),
    }


def count_nodes(document: InterleavedDocument) -> dict[str, float]:
    """`characters`, with white space within nodes; `text_nodes` and `image_nodes`; videos are neither."""
    texts = [text for text in document.texts if text is not None]
    images = [image for image in document.images if image is not None and image.status != VIDEO]
    return {
        "characters": float(sum(map(len, texts))),
        "text_nodes": float(len(texts)),
        "image_nodes": float(len(images)),
    }
