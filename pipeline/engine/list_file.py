"""Lists that a recipe names: text files with one entry per line, on any fsspec path.

A recipe's field that holds such a path has the type `NamedFile`. Fingerprints then depend on the file's content, not
on its path: a changed file makes the stages that use it run again, a moved one does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import fsspec
from pydantic import AfterValidator

from m3w.recipes.errors import InputError


class ListFile(str):
    """The path of a list that a recipe names."""


def _absolute(path: str) -> ListFile:
    """Make a local path absolute: tasks run in other folders than the command."""
    return ListFile(path if "://" in path else str(Path(path).absolute()))


NamedFile = Annotated[str, AfterValidator(_absolute)]
"""The type of a recipe's field that holds the path of a list."""


def read_entries(path: str) -> list[str]:
    """The file's lines in order, stripped, without empty ones and comments (`#` at the start or after a space).

    UTF-8; a name that ends in .gz, .bz2, .xz or .zst is decompressed. Raises `InputError`.
    """
    try:
        lines = _content(path, compression="infer").decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"the list {path} is not UTF-8 ({error.reason} at byte {error.start}), so it is not read; save it as UTF-8"
        ) from error
    return [entry for line in lines if (entry := f" {line}".partition(" #")[0].strip())]


def content_sha256(path: str) -> str:
    """64 hex digits, of the file as stored (not decompressed). Raises `InputError`."""
    return hashlib.sha256(_content(path)).hexdigest()


def by_content(value: Any) -> Any:
    """`value` with each `ListFile` in it, however deep in dicts and lists, replaced by its content's SHA-256."""
    if isinstance(value, ListFile):
        return content_sha256(value)
    if isinstance(value, dict):
        return {key: by_content(item) for key, item in value.items()}
    return [by_content(item) for item in value] if isinstance(value, list) else value


def named_files(value: Any) -> Iterator[ListFile]:
    """Every `ListFile` in a recipe's dumped values."""
    if isinstance(value, ListFile):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from named_files(item)


def _content(path: str, compression: str | None = None) -> bytes:
    try:
        with fsspec.open(path, "rb", compression=compression) as file:
            content: bytes = file.read()
            return content
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"the list {path} cannot be read ({error}); give the path of a text file") from error
