"""A stage's settings: a frozen class whose fields name the keys of the recipe that they come from.

    @settings
    class UniqueSettings:
        repeated_images: bool = key("duplicates.repeated_images")

The engine builds it from the recipe and gives it, not the recipe, to the stage, and the stage's fingerprint is a
hash of the same values. So a stage's result cannot depend on a key that its fingerprint does not hold.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, TypeVar, dataclass_transform

from pydantic import BaseModel

from m3w.pipeline.engine.list_file import by_content

T = TypeVar("T")


Effect = Literal["result", "inputs", "none"]
"""What a key changes: what the stage makes of its inputs; which inputs there are (the ledger names them part by part);
or nothing of the kind, such as how often to try again."""


def key(path: str, *, effect: Effect = "result") -> Any:
    """A field that holds the recipe's value at `path`, such as `fetch.agent`: a key, a section, or a property.

    Only keys with the effect `result` are in the stage's fingerprint.
    """
    return dataclasses.field(metadata={"path": path, "effect": effect})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass of settings; every field is declared by `key`."""
    return dataclass(frozen=True, kw_only=True)(cls)


@settings
class NoSettings:
    """Of a stage whose result depends on its inputs alone."""


def keys_of(kind: type, *effects: Effect) -> list[str]:
    """The recipe's keys that settings of this kind hold, of some effects or of all."""
    return [f.metadata["path"] for f in _fields(kind) if not effects or f.metadata["effect"] in effects]


def settings_of(kind: type[T], recipe: object) -> T:
    """The settings that `recipe` gives. Raises AttributeError for a field that names a key the recipe does not have."""
    return kind(**{field.name: attrgetter(field.metadata["path"])(recipe) for field in _fields(kind)})


def digest_of(values: Any) -> str:
    """SHA-256 (hex) of the settings' values that change the result.

    In the order of the recipe, since of two rules that an image breaks the first gives the reason. A list that a value
    names counts by its content. Raises `InputError` for a list that cannot be read.
    """
    chosen = {f.metadata["path"]: getattr(values, f.name) for f in _fields(values) if f.metadata["effect"] == "result"}
    return digest(chosen.items())


def digest(values: Iterable[tuple[str, Any]]) -> str:
    """SHA-256 (hex) of values by the key they stand under in a recipe; see `digest_of`."""
    plain = {path: by_content(_plain(value)) for path, value in values}
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _fields(kind: Any) -> Iterator[dataclasses.Field[Any]]:
    for field in dataclasses.fields(kind):
        assert "path" in field.metadata, f"{kind}.{field.name} is not declared by key(...)"
        yield field


def _plain(value: Any) -> Any:
    """Sections of a recipe, however deep in lists and dicts, as dicts."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
