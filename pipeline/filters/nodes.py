"""Rules on nodes: texts and image references that break one are removed from their document.

Texts first, then image references, whose signals see the remaining texts. Two texts that become neighbours stay two
nodes. Videos are not image references and stay.
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
    """Remove from `document` what breaks `rules.text` or `rules.image_reference`; returns the drops in page order."""
    drops: list[Drop] = []
    for find_broken in (_broken_texts, _broken_references):
        dropped = dict(find_broken(document, rules, lists))
        drops += dropped.values()
        if dropped:
            kept = [index for index in range(len(document.texts)) if index not in dropped]
            document.texts = [document.texts[index] for index in kept]
            document.images = [document.images[index] for index in kept]
    return drops


def drop_of(
    kind: str, reason: str | Broken, document: InterleavedDocument, text: str | None, image: str | None
) -> Drop:
    """The record of something dropped, with the threshold if a rule dropped it."""
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
    for index, text in enumerate(document.texts):
        if text is not None:
            reason = broken(rules.text, TextSignals(text, lists), document.language)
            if reason:
                yield index, drop_of(TEXT, reason, document, text, None)


def _broken_references(document: InterleavedDocument, rules: NodeRules, lists: WordLists) -> Iterator[tuple[int, Drop]]:
    if not rules.image_reference:
        return
    for index, signals in enumerate(reference_signals(document)):
        if signals is not None:
            reason = broken(rules.image_reference, signals, document.language)
            image = document.images[index]
            if reason and image is not None:
                yield index, drop_of(REFERENCE, reason, document, image.alt, image.url)
