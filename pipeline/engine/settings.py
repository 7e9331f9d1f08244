"""A stage's settings: a frozen class whose fields name the recipe's keys from which they come.

    @settings
    class UniqueSettings:
        repeated_images: bool = key("duplicates.repeated_images")

The engine builds it from the recipe and passes it, not the recipe, to the stage; the stage's fingerprint is a hash of
the same values. So a stage's result cannot depend on a key that is not in its fingerprint.
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
"""What a key changes: `result`, how the stage processes its inputs; `inputs`, which inputs exist (the ledger names them
for each part); `none`, neither, for example the number of attempts."""


def key(path: str, *, effect: Effect = "result") -> Any:
    """A field that holds the recipe's value at `path`, for example `fetch.agent`: a key, a section or a property.

    Only keys with the effect `result` are in the stage's fingerprint.
    """
    return dataclasses.field(metadata={"path": path, "effect": effect})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
def settings(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass of settings; every field must be declared with `key`."""
    return dataclass(frozen=True, kw_only=True)(cls)


@settings
class NoSettings:
    """The settings of a stage whose result depends only on its inputs."""


def keys_of(kind: type, *effects: Effect) -> list[str]:
    """The recipe's keys that this class of settings holds; only those with one of `effects`, if given."""
    return [f.metadata["path"] for f in _fields(kind) if not effects or f.metadata["effect"] in effects]


def settings_of(kind: type[T], recipe: object) -> T:
    """The settings from `recipe`. Raises AttributeError for a field whose key the recipe does not have."""
    return kind(**{field.name: attrgetter(field.metadata["path"])(recipe) for field in _fields(kind)})


def digest_of(values: Any) -> str:
    """SHA-256 (hex) of the settings' values that change the result.

    The recipe's order matters: of two rules that an image breaks, the first gives the reason. A list that a value names
    is hashed by content. Raises `InputError` for a list that cannot be read.
    """
    chosen = {f.metadata["path"]: getattr(values, f.name) for f in _fields(values) if f.metadata["effect"] == "result"}
    return digest(chosen.items())


def digest(values: Iterable[tuple[str, Any]]) -> str:
    """SHA-256 (hex) of pairs of a recipe's key and its value; see `digest_of`."""
    plain = {path: by_content(_plain(value)) for path, value in values}
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _fields(kind: Any) -> Iterator[dataclasses.Field[Any]]:
    for field in dataclasses.fields(kind):
        assert "path" in field.metadata, f"{kind}.{field.name} is not declared with key(...)"
        yield field


def _plain(value: Any) -> Any:
    """`value` with each section of a recipe, however deep in lists and dicts, as a dict."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
