"""Functions and classes that a recipe names by their dotted path: checked before a run, loaded where they are used."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Annotated, Any

from pydantic import Field

from m3w.recipes.errors import InputError

ClassPath = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
"""`package.module.Class` or `package.module.function`."""


def module_exists(class_path: str) -> bool:
    """Whether the module of `class_path` exists; only the packages above it are imported."""
    try:
        return importlib.util.find_spec(class_path.rpartition(".")[0]) is not None
    except ModuleNotFoundError:  # raised for a missing parent package
        return False


def check_class_path(class_path: str, key: str, consequence: str, example: str) -> None:
    """Raises `InputError`, naming the recipe's `key`, the `consequence` and an `example`, if the module is missing."""
    module = class_path.rpartition(".")[0]
    if not module_exists(class_path):
        raise InputError(
            f"{key} = {class_path}: there is no module {module}, so {consequence}; give a path that can be imported, "
            f"such as {example}"
        )


def load_class_path(class_path: str) -> Any:
    """The function at `class_path`, or an instance of the class there. Raises `InputError` if there is neither."""
    module, _, name = class_path.rpartition(".")
    try:
        target = getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"{class_path} cannot be imported ({error}); give the path of a function or class") from error
    return target() if inspect.isclass(target) else target
