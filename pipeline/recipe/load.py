"""YAML in, a recipe out, errors that name the key."""

from __future__ import annotations

from typing import Any, get_args

import fsspec
import yaml
from pydantic import ValidationError

from m3w.pipeline.crawl.section import Crawl
from m3w.pipeline.filters.rules import Rule
from m3w.pipeline.recipe.recipe import Recipe
from m3w.recipes.errors import InputError


def load_recipe(path: str, overrides: list[str] | None = None) -> Recipe:
    """The recipe at `path` with `overrides` (`key.key=value`, the value in YAML) put in. Raises `InputError`."""
    try:
        with fsspec.open(path, "rb") as file:
            values = yaml.safe_load(file.read())
    except (OSError, ValueError) as error:
        raise InputError(f"the recipe {path} cannot be read ({error}); give the path of a YAML file") from error
    except yaml.YAMLError as error:
        raise InputError(f"the recipe {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InputError(f"the recipe {path} holds no keys; see recipes/m3w.yaml for what it can say")
    for override in overrides or []:
        _put(values, override)
    return parse_recipe(values, path)


def parse_recipe(values: dict[str, Any], path: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors())
        raise InputError(f"the recipe {path} is wrong: {problems}") from error


def _problem(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key}; known here: {', '.join(_siblings(detail['loc']))}"
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    model: Any = Recipe
    for part in location[:-1]:
        fields = getattr(model, "model_fields", None)
        if fields is None:
            model = next(iter(get_args(model)[1:]), Rule)  # of names, such as those of rules
        elif part in fields:
            model = fields[part].annotation
        else:
            return sorted(Rule.model_fields)
    return list(getattr(model, "model_fields", Rule.model_fields))


def _put(values: dict[str, Any], override: str) -> None:
    """Set one value; a section that the recipe does not write out starts from its defaults."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override} names no value; write --set key.key=value")
    *sections, last = key.split(".")
    defaults: Any = Recipe(crawl=Crawl(paths=["-"])).model_dump()
    for section in sections:
        defaults = defaults.get(section, {}) if isinstance(defaults, dict) else {}
        values = values.setdefault(section, defaults)
        if not isinstance(values, dict):
            raise InputError(f"--set {override}: {section} is a value, not a section that could hold {last}")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: the value is not YAML: {' '.join(str(error).split())}") from error
