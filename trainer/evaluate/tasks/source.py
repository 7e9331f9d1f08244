"""Examples of benchmarks, and what reads them from published files: an error names the file and what it lacks."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fsspec

from m3w.recipes.errors import InputError
from m3w.recipes.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Where a picture, a video or a segment of a video is stored."""

    path: str
    """An fsspec path."""
    start: float | None = None
    end: float | None = None
    """Seconds of a video; None: from its beginning, to its end."""
    offset: int | None = None
    """Byte offset of the picture in a file of several (CIFAR's binary files)."""
    content: bytes | None = None
    """The picture's own bytes, where a table holds them."""

    def __str__(self) -> str:
        seconds = "" if self.start is None else f" {self.start:g}-{self.end:g} s"
        record = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.path}{seconds}{record}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example of a benchmark: a query, or a support that the prompt shows before it."""

    key: str
    """Its name in the benchmark, unique in its set."""
    media: Media
    fields: dict[str, str]
    """The fields of the prompt."""
    references: tuple[str, ...]
    """All right answers: those of several people, or all captions."""
    answer: str
    """The one of the references that a support shows."""
    choices: tuple[str, ...] = ()
    """The answers to rank, if the task is close-ended."""
    relevance: tuple[float, ...] = ()
    """The relevance of each choice (VisDial)."""
    columns: dict[str, str] = field(default_factory=dict)
    """Other columns of its record, for metrics and groups of a report."""


class Source(Section):
    """The files of a set of examples; there is one subclass for each published format."""

    def examples(self, root: str) -> list[Example]:
        """All examples, in the order of the file; relative paths start at `root`.

        Raises InputError for a missing file, or one that differs from the published format.
        """
        raise NotImplementedError


def join_path(root: str, *names: str) -> str:
    """The path of a file below `root`; an absolute path or URL in `names` replaces what precedes it."""
    for number, name in enumerate(names):
        if "://" in name:
            return posixpath.join(*names[number:])
    return posixpath.join(root, *names)


def read_text(path: str) -> str:
    """The file's text, in UTF-8 with or without a byte order mark."""
    try:
        with fsspec.open(path, "rb") as file:
            return str(file.read().decode("utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(
            f"{path} is not there, so the task has no examples; set `root`, or the name under `queries` or `supports`"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 ({error}), so it cannot be read; get the file again") from error


def read_json(path: str) -> Any:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON ({error}), so it cannot be read; get the file again") from error


def read_json_lines(path: str) -> list[Any]:
    try:
        return [json.loads(line) for line in read_text(path).splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON lines ({error}), so it cannot be read; get the file again") from error


def read_csv(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read_text(path), newline="")))


def need(record: Any, name: str, path: str) -> Any:
    """`record[name]`; InputError if it is missing or null."""
    if isinstance(record, Mapping) and record.get(name) is not None:
        return record[name]
    has = ", ".join(map(str, record)) if isinstance(record, Mapping) else type(record).__name__
    raise InputError(
        f"{path} has an entry without {name!r} (it has {has or 'nothing'}), so it is not the file of this task; "
        "give the published one, or name its columns"
    )


def need_list(records: Any, path: str) -> list[Any]:
    """`records`; InputError unless it is a list that is not empty."""
    if isinstance(records, list) and records:
        return records
    raise InputError(f"{path} holds no list of examples, so there is nothing to ask; give the published file")


def file_name(pattern: str, record: Mapping[str, Any], path: str) -> str:
    """`pattern` filled with the record's fields, such as "{image_id:012d}.jpg"."""
    try:
        return pattern.format(**record)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"the file name {pattern!r} cannot be filled from an entry of {path} ({type(error).__name__}: {error}); "
            f"its fields are {', '.join(map(str, record))}"
        ) from error


def columns(record: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a record that are texts or numbers, as texts."""
    return {str(key): str(value) for key, value in record.items() if isinstance(value, str | int | float)}


def most_frequent(answers: Sequence[str]) -> str:
    """The answer that most people gave; of several such, the first."""
    return max(dict.fromkeys(answers), key=list(answers).count)


def unique_keys(examples: list[Example], path: str) -> list[Example]:
    """The examples; InputError if two have the same key, since predictions are told apart by it."""
    seen: set[str] = set()
    for example in examples:
        if example.key in seen:
            raise InputError(f"{path} has two examples with the key {example.key!r}; each needs its own")
        seen.add(example.key)
    return examples
