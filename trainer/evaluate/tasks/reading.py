"""Files of benchmarks, read whole; what is not as published is an error that names the file and what it lacks."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import fsspec

from m3w.recipes.errors import InputError
from m3w.recipes.section import Section
from m3w.trainer.evaluate.example import Example


class Source(Section):
    """Where a set of examples lies, in one published format; a subclass a format."""

    def examples(self, root: str) -> list[Example]:
        """All examples, in the order of the file; paths that are not absolute lie below `root`.

        Raises InputError for a missing file or one that is not as published.
        """
        raise NotImplementedError


def located(root: str, *names: str) -> str:
    """The path of a file below `root`; an absolute path or URL among `names` stands for itself."""
    for at, name in enumerate(names):
        if "://" in name:
            return posixpath.join(*names[at:])
    return posixpath.join(root, *names)


def read_text(path: str) -> str:
    """The file's text, UTF-8 with or without a mark at its start."""
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
    """`record[name]`; InputError if it is not there."""
    if isinstance(record, Mapping) and record.get(name) is not None:
        return record[name]
    has = ", ".join(map(str, record)) if isinstance(record, Mapping) else type(record).__name__
    raise InputError(
        f"{path} has an entry without {name!r} (it has {has or 'nothing'}), so it is not the file of this task; "
        "give the published one, or name its columns"
    )


def need_list(found: Any, path: str) -> list[Any]:
    """`found`, which must be a list with something in it."""
    if isinstance(found, list) and found:
        return found
    raise InputError(f"{path} holds no list of examples, so there is nothing to ask; give the published file")


def named(pattern: str, record: Mapping[str, Any], path: str) -> str:
    """`pattern` filled with the record's fields, such as "{image_id:012d}.jpg"."""
    try:
        return pattern.format(**record)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"the file name {pattern!r} cannot be made of an entry of {path} ({type(error).__name__}: {error}); "
            f"its fields are {', '.join(map(str, record))}"
        ) from error


def columns(record: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a record that are one word, number or sentence."""
    return {str(key): str(value) for key, value in record.items() if isinstance(value, str | int | float)}


def most_given(answers: Sequence[str]) -> str:
    """The answer that most people gave, the first of those."""
    return max(dict.fromkeys(answers), key=list(answers).count)


def unique_keys(examples: list[Example], path: str) -> list[Example]:
    """The examples; InputError if two have the same key, since a prediction could not be told whose it is."""
    seen: set[str] = set()
    for example in examples:
        if example.key in seen:
            raise InputError(f"{path} has two examples with the key {example.key!r}; each needs its own")
        seen.add(example.key)
    return examples
