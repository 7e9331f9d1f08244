"""Load a recipe: read its YAML file, apply `--set key.key=value`, check it against a pydantic model.

Builds, trainings and evaluations all load their recipes here. Every error is an `InputError` of one line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import fsspec
import yaml
from pydantic import BaseModel, ValidationError

from m3w.recipes.errors import InputError

SHIPPED = Path(__file__).parent
Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, except that `1e-4` is a number and not a text."""


class _Dumper(yaml.SafeDumper):
    """Quotes the texts that `_Loader` would read as numbers."""


for _dialect in (_Loader, _Dumper):
    _dialect.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def load(path: str, overrides: Sequence[str], model: type[Model]) -> Model:
    """Load the recipe at `path` as a `model`.

    Args:
        path: A local path or a URL that fsspec opens. `recipes/NAME.yaml` is the recipe of that name that comes with
            m3w, unless there is such a file.
        overrides: Values that replace those of the file, each `key.key=value` with the value in YAML. A section
            that the file leaves out starts from its defaults.
        model: The pydantic model of the recipe.

    Raises:
        InputError: The file cannot be read or is not YAML, an override names no key, or values are wrong: the message
            lists all of them, by key.
    """
    values = _read(path)
    for override in overrides:
        _set(values, override, model)
    return validate(values, model, f"the recipe {path}")


def validate(values: Any, model: type[Model], name: str) -> Model:
    """Check `values` against `model`. Raises `InputError` that starts with `name` and lists everything wrong."""
    if not isinstance(values, dict):
        raise InputError(f"{name} holds no keys; the files in recipes/ are examples")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail, model) for detail in error.errors())
        raise InputError(f"{name} is wrong: {problems}") from error


def parse_yaml(text: str | bytes, name: str) -> Any:
    """Parse YAML in the dialect of recipes. Raises `InputError` that starts with `name`."""
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not YAML: {' '.join(str(error).split())}") from error


def dump_yaml(values: dict[str, Any]) -> str:
    """Write `values` as YAML that `parse_yaml` reads back unchanged, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _read(path: str) -> dict[str, Any]:
    shipped = SHIPPED / Path(path).name
    comes_with_us = path == f"recipes/{shipped.name}" and not Path(path).exists() and shipped.is_file()
    source = str(shipped) if comes_with_us else path
    try:
        with fsspec.open(source, "rb") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        remedy = "give the path of a YAML file, or recipes/NAME.yaml for a recipe that comes with m3w"
        raise InputError(f"the recipe {path} cannot be read ({error}); {remedy}") from error
    values = parse_yaml(text, f"the recipe {path}")
    if not isinstance(values, dict):
        raise InputError(f"the recipe {path} holds no keys; the files in recipes/ are examples")
    return values


def _set(values: dict[str, Any], override: str, model: type[BaseModel]) -> None:
    """Put one override into `values`; a section that they leave out starts from the defaults of `model`."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(f"--set {override} names no value; write --set key.key=value")
    *sections, last = key.split(".")
    defaults = _defaults(model)
    for section in sections:
        default = defaults.get(section)
        if values.get(section) is None:
            values[section] = {} if default is None else default
        values, defaults = values[section], default if isinstance(default, dict) else {}
        if not isinstance(values, dict):
            raise InputError(f"--set {override}: {section} is a value, not a section that could hold {last}")
    values[last] = parse_yaml(text, f"--set {override}: the value")


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The defaults of a model's fields as plain values; a required section has those of its own fields."""
    values = model.model_construct().model_dump()
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        if field.is_required() and section is not None:
            values[name] = _defaults(section)
    return values


def _problem(detail: Any, model: type[BaseModel]) -> str:
    """One error of pydantic in words that name the key."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return _unknown_key(detail["loc"], model)
    if detail["type"] == "missing":
        return f"{key} is missing; give it a value"
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        return message if key in message else f"{key}: {message}"
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _unknown_key(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    *sections, last = map(str, location)
    for part in sections:  # a part that is no field is a name, such as that of a rule
        field = model.model_fields.get(part)
        model = (field and _section(field.annotation)) or model
    known = list(model.model_fields)
    close = difflib.get_close_matches(last, known, n=1)
    remedy = f"did you mean {close[0]}?" if close else "correct its spelling or remove it"
    return f"unknown key {'.'.join((*sections, last))}; known here: {', '.join(known)} ({remedy})"


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation: in `Section`, `Section | None` or `dict[str, Section]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)
