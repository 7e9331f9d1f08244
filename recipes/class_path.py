"""Code of the user's own, named in a recipe by its import path: a scorer, a signal."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from m3w.recipes.errors import InputError

ClassPath = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
"""`package.module.Name`, where Name is a class or a function."""


def load(class_path: str, options: Mapping[str, Any]) -> Any:
    """An instance of the class that `class_path` names, made with `options`; or the function, with them bound."""
    module, _, name = class_path.rpartition(".")
    named = getattr(importlib.import_module(module), name)
    if isinstance(named, type):
        return named(**options)
    return partial(named, **options) if options else named


def check_module(class_path: str, key: str, consequence: str, example: str) -> None:
    """Raise `InputError` if the module of `class_path`, the value of the recipe's `key`, is not installed.

    The module is looked up without being imported. The error says the `consequence` and gives an `example`.
    """
    module = class_path.rpartition(".")[0]
    try:
        is_there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        is_there = False
    if not is_there:
        raise InputError(
            f"{key} = {class_path}: there is no module {module}, so {consequence}; name a class that can be imported, "
            f"such as {example}"
        )
