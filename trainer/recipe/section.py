"""What every part of a recipe is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RecipeError(ValueError):
    """A recipe that cannot be used; the message is for the user, one line a fault."""


class Section(BaseModel):
    """A part of a recipe: unknown keys and wrong types are errors; it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
