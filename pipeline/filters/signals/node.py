"""Signals of one node: a text, or an image reference before it is fetched; see
`m3w.pipeline.filters.signals.definitions`.

They are not stored: a recipe with rules on nodes measures the nodes again from the stored texts, most of which the
cheap signals already decide, so a text's signals are worked out when a rule first asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from m3w.pipeline.filters.signals.c4 import c4
from m3w.pipeline.filters.signals.definitions import REFERENCE, TEXT
from m3w.pipeline.filters.signals.obelics import obelics
from m3w.pipeline.filters.signals.text import lines_of, words_of
from m3w.pipeline.filters.signals.word_lists import WordLists
from m3w.pipeline.filters.signals.words import Words
from m3w.schemas.document import VIDEO, ImageReference, InterleavedDocument

TEXT_SIGNALS = tuple(signal.name for signal in TEXT)
REFERENCE_SIGNALS = tuple(signal.name for signal in REFERENCE)


class TextSignals(Mapping[str, float]):
    """The signals of one text node."""

    def __init__(self, text: str, lists: WordLists):
        self._text, self._lists = text, lists
        self._words: Words | None = None
        self._known = {"characters": float(len(text))}

    def __getitem__(self, name: str) -> float:
        if name not in self._known:
            self._known |= self._group(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(TEXT_SIGNALS)

    def __len__(self) -> int:
        return len(TEXT_SIGNALS)

    def _group(self, name: str) -> Mapping[str, float]:
        """The signals that are worked out together with `name`."""
        if self._words is None:
            self._words = Words(self._text)
        if name == "words":
            return {"words": float(self._words.count)}
        if name in _OF_LINES:
            return c4(self._text, lines_of(self._text), int(self._words.lengths.max(initial=0)))
        return obelics(self._text, self._words, self._lists, node=True)


_OF_LINES = ("terminal_line_fraction", "curly_brackets", "javascript_line_fraction")


def reference_signals(document: InterleavedDocument) -> list[dict[str, float] | None]:
    """As long as the document's nodes: the signals of each image reference; None for texts and videos."""
    counts = [0 if text is None else len(words_of(text)) for text in document.texts]
    found: list[dict[str, float] | None] = []
    position = 0
    for place, image in enumerate(document.images):
        if image is None or image.status == VIDEO:
            found.append(None)
            continue
        near = (counts[place - 1] if place else 0) + (counts[place + 1] if place + 1 < len(counts) else 0)
        relative = place / (len(counts) - 1) if len(counts) > 1 else 0.0
        found.append(_reference(image, position, relative, near))
        position += 1
    return found


def _reference(image: ImageReference, position: int, relative: float, near: int) -> dict[str, float]:
    sides = (image.declared_width, image.declared_height)
    shorter, longer = sorted(side if side is not None else math.nan for side in sides)
    if None in sides:
        shorter = longer = math.nan
    return {
        "declared_shorter_side": float(shorter),
        "declared_longer_side": float(longer),
        "declared_aspect_ratio": longer / shorter if shorter else math.nan,
        "position": float(position),
        "relative_position": relative,
        "words_nearby": float(near),
        "alt_words": float(len(words_of(image.alt or ""))),
        "caption_words": float(len(words_of(image.caption or ""))),
        "url_characters": float(len(image.url)),
    }
