"""Code of the user's own that a recipe names by its dotted path: a signal, a scorer, an input format, an extractor."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from m3w.recipes.errors import InputError

ClassPath = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
"""`package.module.Class` or `package.module.function`."""


def check_class_path(class_path: str, key: str, consequence: str, example: str) -> None:
    """Raises `InputError`, naming the recipe's `key`, the `consequence` and an `example`, if the module is missing."""
    if not module_exists(class_path):
        module = class_path.rpartition(".")[0]
        raise InputError(
            f"{key} = {class_path}: there is no module {module}, so {consequence}; give a path that can be imported, "
            f"such as {example}"
        )


def module_exists(class_path: str) -> bool:
    """Whether the module of `class_path` exists. It is not imported; only the packages above it are."""
    try:
        return importlib.util.find_spec(class_path.rpartition(".")[0]) is not None
    except ModuleNotFoundError:  # raised for a missing parent package
        return False


def load_class_path(class_path: str, options: Mapping[str, Any] | None = None) -> Any:
    """An instance of the class at `class_path`, made with `options`; or the function there, with them bound.

    Raises `InputError` if there is neither.
    """
    module, _, name = class_path.rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"{class_path} cannot be imported ({error}); give the path of a function or class") from error
    if isinstance(target, type):
        return target(**(options or {}))
    return partial(target, **options) if options else target
