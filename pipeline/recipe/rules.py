"""What a recipe says on what is kept."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from pipeline.recipe.section import Section
from pipeline.rules import DOCUMENT_RULE_SIGNALS, Language, Rule, check_rules
from pipeline.signals.definitions import REFERENCE, TEXT


class Rules(Section):
    """What is kept: ranges on signals; the rule's name is the reason of a drop."""

    languages: list[Language] = ["en"]
    """An empty list keeps every language."""
    text: dict[str, Rule] = {}
    """Of text nodes; what breaks one is taken out of its document."""
    image_reference: dict[str, Rule] = {}
    """Of image references, before anything is fetched; likewise."""
    document: dict[str, Rule] = {}
    formats: list[Literal["jpeg", "png", "gif", "webp"]] = []
    """Of images, as fetched; an empty list keeps every format that is taken. The reason of a drop is `format`."""
    image: dict[str, Rule] = {
        "too_small": Rule(signal="shorter_side", min=64),
        "aspect_ratio": Rule(max=3),
        "single_colour": Rule(signal="colour_range", min=1),
    }
    """The paper's (arXiv 2204.14198, appendix A.3.1): 64 px, ratio 3, not one colour."""

    @model_validator(mode="after")
    def _known_signals(self) -> Self:
        check_rules(self.text, [signal.name for signal in TEXT], "rules.text")
        check_rules(self.image_reference, [signal.name for signal in REFERENCE], "rules.image_reference")
        asked = [name for name, rule in self.image.items() if rule.languages]
        if asked:
            raise ValueError(f"rules.image.{asked[0]} names languages, but an image has none; leave them out")
        check_rules(self.document, DOCUMENT_RULE_SIGNALS, "rules.document")
        return self
