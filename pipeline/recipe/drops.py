"""What a recipe says on the samples of what is dropped."""

from __future__ import annotations

from pydantic import Field

from pipeline.recipe.section import Section


class Drops(Section):
    """Samples for people to look at; nothing reads them again."""

    keep_per_reason: int = Field(3, ge=0, le=10_000)
    """Of each reason and part, chosen by a hash of what is dropped; 0 keeps none."""
