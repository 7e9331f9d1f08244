"""Documents in the formats of other projects, in and out: OBELICS, MMC4, image-text pairs, NeMo Curator, `datasets`.

An input format is a module of this package with a function `read`, a `Reader`; the module's name is the format's. A
format of your own is a `Reader` anywhere else, named by its dotted path.
"""

from __future__ import annotations

import importlib
import pkgutil

from m3w.pipeline.exchange.documents import (
    BadDocument,
    ImportedDocument,
    Reader,
    parquet_rows,
    read_documents,
)
from m3w.recipes.class_path import load_class_path, module_exists
from m3w.recipes.errors import InputError

__all__ = [
    "BadDocument",
    "ImportedDocument",
    "Reader",
    "check_input_format",
    "input_formats",
    "load_reader",
    "parquet_rows",
    "read_documents",
]


def input_formats() -> list[str]:
    """The names of the formats that ship. Imports all modules of this package, so use it for messages only."""
    return [name for name in _modules() if _shipped_reader(name) is not None]


def check_input_format(format: str) -> None:
    """Raises `InputError` for a recipe's `crawl.format` that does not exist. A reader of your own is not imported."""
    exists = module_exists(format) if "." in format else _shipped_reader(format) is not None
    if not exists:
        raise InputError(
            f"{format} is not a format to import, so nothing was read; give one of {', '.join(input_formats())}, or "
            "package.module.function for a reader of your own"
        )


def load_reader(format: str) -> Reader:
    """The reader of a format: one that ships, or the function or class at a dotted path. Raises `InputError`."""
    check_input_format(format)
    reader: Reader | None = load_class_path(format) if "." in format else _shipped_reader(format)
    assert reader is not None
    return reader


def _shipped_reader(name: str) -> Reader | None:
    """The function `read` of a module of this package; None if there is no such module or function."""
    if name not in _modules():
        return None
    reader: Reader | None = getattr(importlib.import_module(f"{__name__}.{name}"), "read", None)
    return reader


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]
