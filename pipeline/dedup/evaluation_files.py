"""The user's evaluation sets: which files they are, and what is in them."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator
from typing import Any, Protocol

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from m3w.recipes.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".parquet")
TEXT_SUFFIXES = (".txt", ".jsonl", ".parquet")


class EvaluationSets(Protocol):
    """Where the sets are: the fields of `duplicates.evaluation`."""

    @property
    def images(self) -> str | None: ...
    @property
    def image_column(self) -> str: ...
    @property
    def texts(self) -> str | None: ...
    @property
    def text_column(self) -> str: ...


def evaluation_inputs(settings: EvaluationSets) -> list[str]:
    """Each file of the recipe's evaluation sets with the SHA-256 of its content; one read of all of them.

    Raises `InputError` for a set that is not there or holds nothing.
    """
    return [
        f"{path} of sha256 {_sha256(path)}"
        for place, key, suffixes in (
            (settings.images, "images", IMAGE_SUFFIXES),
            (settings.texts, "texts", TEXT_SUFFIXES),
        )
        if place is not None
        for path in files(place, key, suffixes)
    ]


def files(place: str, key: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files of a set, by name. Raises `InputError` if there is none: all would pass as not in it."""
    what = f"duplicates.evaluation.{key} = {place}"
    try:
        fs, root = url_to_fs(place)
        if fs.isfile(root):
            return [place]
        found = [name for name in fs.find(root) if name.lower().endswith(suffixes)]
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{what} cannot be read ({error}); give a folder or a file") from error
    if not found:
        state = "holds no file" if fs.exists(root) else "is not there, so it holds no file"
        raise InputError(
            f"{what} {state} of {', '.join(suffixes)}, so nothing would be found in the evaluation set; give the "
            "folder that holds it, or null"
        )
    return sorted(str(fs.unstrip_protocol(name)) for name in found)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def images(settings: EvaluationSets) -> Iterator[bytes]:
    """The bytes of each evaluation image."""
    assert settings.images is not None
    for path in files(settings.images, "images", IMAGE_SUFFIXES):
        if path.lower().endswith(".parquet"):
            for value in _column(path, settings.image_column, "image_column"):
                content = value.get("bytes") if isinstance(value, dict) else value  # a struct is how `datasets` has it
                yield content if isinstance(content, bytes) else b""
        else:
            with fsspec.open(path, "rb") as file:
                yield file.read()


def texts(settings: EvaluationSets) -> Iterator[str]:
    """Each evaluation text; of a column of lists, such as of answers, each item."""
    assert settings.texts is not None
    for path in files(settings.texts, "texts", TEXT_SUFFIXES):
        for value in _texts(path, settings.text_column):
            yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _texts(path: str, column: str) -> Iterator[Any]:
    if path.lower().endswith(".parquet"):
        yield from _column(path, column, "text_column")
        return
    with fsspec.open(path, "rt", encoding="utf-8", errors="replace") as file:
        if not path.lower().endswith(".jsonl"):
            yield file.read()
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _field(line, column, f"{path}:{number}")


def _field(line: str, column: str, where: str) -> Any:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON ({error}); mend the line") from error
    if not isinstance(value, dict) or column not in value:
        raise InputError(f"{where} has no field {column}; name it by duplicates.evaluation.text_column")
    return value[column]


def _column(path: str, column: str, key: str) -> Iterator[Any]:
    with fsspec.open(path, "rb") as source:
        try:
            file = pq.ParquetFile(source)
            names = file.schema_arrow.names
            if column not in names:
                raise InputError(
                    f"{posixpath.basename(path)} has no column {column}, only {', '.join(names)}; name it by "
                    f"duplicates.evaluation.{key}"
                )
            for batch in file.iter_batches(batch_size=64, columns=[column]):
                yield from batch[column].to_pylist()
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is no Parquet file ({error}); mend or remove it") from error
