"""Load the recipe of a build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from m3w.pipeline.recipe.recipe import Recipe
from m3w.recipes import loader


def load_recipe(path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load the recipe at `path`; see `m3w.recipes.loader.load`. Raises `InputError`."""
    return loader.load(path, overrides, Recipe)


def parse_recipe(values: Any, path: str) -> Recipe:
    """The recipe of these `values`, called `path` in errors. Raises `InputError`."""
    return loader.validate(values, Recipe, f"the recipe {path}")
