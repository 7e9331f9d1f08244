"""Rules on nodes: texts and image references that break one are taken out of their document.

First the texts, then the image references among the texts that are left. The nodes around a gap stay nodes of their
own: two texts that become neighbours are not joined. Videos are no image references and stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from m3w.pipeline.engine.drops import Drop
from m3w.pipeline.filters.rules import Broken, Rule, broken
from m3w.pipeline.filters.signals.node import TextSignals, reference_signals
from m3w.pipeline.filters.signals.word_lists import WordLists
from m3w.schemas.document import InterleavedDocument

TEXT, REFERENCE = "text", "image_reference"


class NodeRules(Protocol):
    """The rules on nodes of a recipe."""

    @property
    def text(self) -> Mapping[str, Rule]: ...

    @property
    def image_reference(self) -> Mapping[str, Rule]: ...


def drop_nodes(document: InterleavedDocument, rules: NodeRules, lists: WordLists) -> list[Drop]:
    """Take out of `document` what breaks `rules.text` or `rules.image_reference`; what that was, in page order."""
    drops: list[Drop] = []
    for find in (_broken_texts, _broken_references):
        found = dict(find(document, rules, lists))
        drops += found.values()
        if found:
            kept = [place for place in range(len(document.texts)) if place not in found]
            document.texts = [document.texts[place] for place in kept]
            document.images = [document.images[place] for place in kept]
    return drops


def drop_of(
    kind: str, reason: str | Broken, document: InterleavedDocument, text: str | None, image: str | None
) -> Drop:
    """What is said of something that was dropped; with the threshold where a rule did it."""
    rule = reason if isinstance(reason, Broken) else None
    return Drop(
        kind=kind,
        reason=rule.reason if rule else str(reason),
        signal=rule.signal if rule else None,
        value=rule.value if rule else None,
        min=rule.rule.min if rule else None,
        max=rule.rule.max if rule else None,
        document_id=document.document_id,
        url=document.url,
        language=document.language,
        text=text,
        image_url=image,
    )


def _broken_texts(document: InterleavedDocument, rules: NodeRules, lists: WordLists) -> Iterator[tuple[int, Drop]]:
    if not rules.text:
        return
    for place, text in enumerate(document.texts):
        if text is not None:
            found = broken(rules.text, TextSignals(text, lists), document.language)
            if found:
                yield place, drop_of(TEXT, found, document, text, None)


def _broken_references(document: InterleavedDocument, rules: NodeRules, lists: WordLists) -> Iterator[tuple[int, Drop]]:
    if not rules.image_reference:
        return
    for place, signals in enumerate(reference_signals(document)):
        if signals is not None:
            found = broken(rules.image_reference, signals, document.language)
            image = document.images[place]
            if found and image is not None:
                yield place, drop_of(REFERENCE, found, document, image.alt, image.url)
