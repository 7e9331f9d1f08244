"""Signals of one node: a text, or an image reference before it is fetched.

They are not stored: a recipe with rules on nodes measures the nodes again from the stored texts. The cheap signals
already decide for most texts, so a text's signals are computed when a rule first asks for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from m3w.pipeline.filters.signals.registry import (
    OBELICS,
    OWN,
    REFERENCE,
    TEXT,
    Signal,
    image_reference_signal,
    image_reference_signals,
    text_node_signal,
)
from m3w.pipeline.filters.signals.text import Text, words_of
from m3w.pipeline.filters.signals.word_lists import WordLists
from m3w.schemas.document import VIDEO, ImageReference, InterleavedDocument


class TextSignals(Mapping[str, float]):
    """The signals of one text node, each computed when it is first asked for."""

    def __init__(self, text: str, lists: WordLists):
        self._text = Text(text, lists)
        self._known: dict[str, float] = {}

    def __getitem__(self, name: str) -> float:
        if name not in self._known:
            self._known |= TEXT.measure_with(name, self._text)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(TEXT.names)

    def __len__(self) -> int:
        return len(TEXT.names)


@text_node_signal("words", formula="words", unit="words", source=OBELICS)
def words(text: Text) -> float:
    return float(text.words.count)


@text_node_signal("characters", formula="characters", unit="characters", source=OWN)
def characters(text: Text) -> float:
    return float(len(text.text))


@dataclass(slots=True)
class ReferenceInContext:
    """An image reference to be measured, and where it is in its document."""

    image: ImageReference
    position: int
    """Image references before it."""
    relative_position: float
    words_nearby: int
    """Words of the text nodes right before and right after it."""


def reference_signals(document: InterleavedDocument) -> list[dict[str, float] | None]:
    """As long as the document's nodes: the signals of each image reference; None for texts and videos."""
    words = [0 if text is None else len(words_of(text)) for text in document.texts]
    last = len(words) - 1
    signals: list[dict[str, float] | None] = [None] * len(words)
    position = 0
    for index, image in enumerate(document.images):
        if image is None or image.status == VIDEO:
            continue
        nearby = (words[index - 1] if index else 0) + (words[index + 1] if index < last else 0)
        relative = index / last if last else 0.0
        signals[index] = REFERENCE.measure(ReferenceInContext(image, position, relative, nearby))
        position += 1
    return signals


@image_reference_signals(
    Signal("declared_shorter_side", "the shorter of the sides that the page declares", "pixels", OBELICS,
           "NaN where the page does not declare both"),
    Signal("declared_longer_side", "the longer of them", "pixels", OBELICS),
    Signal("declared_aspect_ratio", "longer by shorter declared side", "ratio", OBELICS),
)  # fmt: skip
def declared_size(reference: ReferenceInContext) -> dict[str, float]:
    width, height = reference.image.declared_width, reference.image.declared_height
    shorter = longer = math.nan
    if width is not None and height is not None:
        shorter, longer = sorted((float(width), float(height)))
    return {
        "declared_shorter_side": shorter,
        "declared_longer_side": longer,
        "declared_aspect_ratio": longer / shorter if shorter else math.nan,
    }


@image_reference_signals(
    Signal("position", "image references before it in the document", "images", OWN),
    Signal("relative_position", "nodes before it by all other nodes; 0 where there are none", "share", OWN),
    Signal("words_nearby", "words of the text nodes right before and right after it", "words", OWN),
)
def context(reference: ReferenceInContext) -> dict[str, float]:
    return {
        "position": float(reference.position),
        "relative_position": reference.relative_position,
        "words_nearby": float(reference.words_nearby),
    }


@image_reference_signal("alt_words", formula="words of the alternative text", unit="words", source=OWN)
def alt_words(reference: ReferenceInContext) -> float:
    return float(len(words_of(reference.image.alt or "")))


@image_reference_signal("caption_words", formula="words of the caption", unit="words", source=OWN)
def caption_words(reference: ReferenceInContext) -> float:
    return float(len(words_of(reference.image.caption or "")))


@image_reference_signal(
    "url_characters", formula="length of the address; of data: addresses, too", unit="characters", source=OWN
)
def url_characters(reference: ReferenceInContext) -> float:
    return float(len(reference.image.url))
