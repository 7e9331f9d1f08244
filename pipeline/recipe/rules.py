"""What a recipe says on what is kept."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.section import Section
from pipeline.rules import DOCUMENT_RULE_SIGNALS, Rule, check_rules


class Rules(Section):
    """What is kept: ranges on signals; the rule's name is the reason of a drop."""

    languages: list[Annotated[str, Field(pattern="^[a-z]{2,3}$")]] = ["en"]
    """ISO 639-1; an empty list keeps every language."""
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
        check_rules(self.document, DOCUMENT_RULE_SIGNALS, "rules.document")
        return self
