"""Your own task: a table in CSV, JSON lines or Parquet, one example in each row."""

from __future__ import annotations

from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.tasks.source import (
    Example,
    Media,
    Source,
    columns,
    join_path,
    most_frequent,
    need,
    need_list,
    read_csv,
    read_json_lines,
    unique_keys,
)


class TableSource(Source):
    """Rows of a `.csv`, `.jsonl` or `.parquet` file; every column can be used in the prompt."""

    table: str
    images: str = "."
    """The folder that paths in the image column are relative to."""
    image: str = "image"
    """Column of the picture or video: a path, or in Parquet its bytes, alone or as {bytes, path} (Hugging Face's)."""
    answers: str = "answer"
    """Column of the right answer or answers: a list or, in CSV, a text in which `separator` separates them."""
    choices: str | list[str] | None = None
    """Column of the answers to rank; or the answers themselves, if they are the same for all rows."""
    separator: str = "|"
    key: str | None = None
    """Column of unique keys; without it rows are numbered."""
    start: str | None = None
    end: str | None = None
    """Columns with the start and end of a segment of a video, seconds."""

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.table)
        rows = need_list(_rows(path), path)
        return unique_keys([self._example(row, number, root, path) for number, row in enumerate(rows)], path)

    def _example(self, row: dict[str, Any], number: int, root: str, path: str) -> Example:
        references = self._several(need(row, self.answers, path), path, self.answers)
        extra = columns(row)
        return Example(
            key=str(number) if self.key is None else str(need(row, self.key, path)),
            media=self._media(row, number, root, path),
            fields=extra,
            references=references,
            answer=most_frequent(references),
            choices=self._choices(row, path),
            columns=extra,
        )

    def _media(self, row: dict[str, Any], number: int, root: str, path: str) -> Media:
        value = need(row, self.image, path)
        if isinstance(value, dict):
            value = value["bytes"] if value.get("bytes") else need(value, "path", path)
        if isinstance(value, bytes):
            return Media(path=f"{path}#{number}", content=value)
        seconds = [None if name is None else float(need(row, name, path)) for name in (self.start, self.end)]
        return Media(path=join_path(root, self.images, str(value)), start=seconds[0], end=seconds[1])

    def _choices(self, row: dict[str, Any], path: str) -> tuple[str, ...]:
        if self.choices is None:
            return ()
        if isinstance(self.choices, list):
            return tuple(self.choices)
        return self._several(need(row, self.choices, path), path, self.choices)

    def _several(self, value: Any, path: str, column: str) -> tuple[str, ...]:
        values = value if isinstance(value, list) else str(value).split(self.separator)
        texts = tuple(str(each).strip() for each in values if str(each).strip())
        if not texts:
            raise InputError(f"{path} has a row with nothing in {column!r}, so it has no answer; fill or remove it")
        return texts


def _rows(path: str) -> list[dict[str, Any]]:
    suffix = path.rpartition(".")[2].lower()
    if suffix == "csv":
        return list(read_csv(path))
    if suffix in ("jsonl", "json", "ndjson"):
        return read_json_lines(path)
    if suffix == "parquet":
        return _parquet(path)
    raise InputError(f"{path} ends in .{suffix}, which is no format of tables; give a .csv, .jsonl or .parquet file")


def _parquet(path: str) -> list[dict[str, Any]]:
    try:
        with fsspec.open(path, "rb") as file:
            rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there, so the task has no examples; set `root` or `table`") from error
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not Parquet ({error}), so it cannot be read; write it again") from error
    return rows


def table_columns(path: str, key: str) -> dict[str, dict[str, str]]:
    """The columns of each row of a table, by the row's `key` column; reports group by them."""
    return {str(need(row, key, path)): columns(row) for row in need_list(_rows(path), path)}
