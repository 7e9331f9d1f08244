"""A recipe from its YAML file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from m3w.trainer.recipe.recipe import Recipe
from m3w.trainer.recipe.section import RecipeError


class _YamlLoader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but `1e-4` is a number, not a text."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_recipe(path: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in the YAML file at `path`, with `a.b=c` overrides applied before it is checked.

    Raises RecipeError that names each key that is unknown, missing or of a wrong type.
    """
    file = Path(path)
    if not file.is_file():
        raise RecipeError(f"{path} is not a file, so there is no recipe to train by; recipes/ holds some")
    fields = parse_yaml(file.read_text(encoding="utf-8"), path)
    if not isinstance(fields, dict):
        raise RecipeError(f"{path} holds no keys and values; see recipes/train-tiny.yaml for the form")
    for override in overrides:
        put_override(fields, override)
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise RecipeError(_describe(error, path)) from error


def parse_yaml(text: str, source: str) -> Any:
    """What the YAML says; RecipeError names `source` if it is none."""
    try:
        return yaml.load(text, Loader=_YamlLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not YAML: {' '.join(str(error).split())}") from error


def put_override(fields: dict[str, Any], override: str) -> None:
    """Put `a.b=c` into the fields of a recipe. Raises RecipeError if it names no key."""
    key, equals, value = override.partition("=")
    if not equals or not all(key.split(".")):
        raise RecipeError(f"override {override!r} has no effect: write key=value, such as training.steps=100")
    *parents, last = key.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
        if not isinstance(fields, dict):
            raise RecipeError(
                f"override {override!r}: {parent} holds a value, not keys, so nothing can be set below it"
            )
    fields[last] = parse_yaml(value, f"override {override!r}")


def _describe(error: ValidationError, path: str) -> str:
    faults = []
    for fault in error.errors():
        key = ".".join(str(place) for place in fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(f"{path}: {key} is not a key of a training recipe; remove it or correct its spelling")
        elif fault["type"] == "missing":
            faults.append(f"{path}: {key} is missing; a training needs it")
        else:
            faults.append(f"{path}: {key} is {fault['input']!r}: {fault['msg']}")
    return "\n".join(faults)
