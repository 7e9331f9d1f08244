"""The Parquet files of a dataset and its run as tables of DuckDB, and what a reader asks for as SQL.

DuckDB reads the columns and rows of each query; at the start only the manifest is read (docs/decisions/viewer.md).
Names in the SQL come from our own lists, texts are parameters, and bounds of ranges are numbers that were parsed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import duckdb
from fsspec.core import url_to_fs

from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS, Rule, quoted
from m3w.pipeline.inspect.examples import run_of
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import Dataset

MEMORY = "1GiB"
HOST = r"lower(regexp_extract(url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]+)', 1))"
IMAGES = "len(list_filter(images, lambda image: image.status = 'ok'))"
SORTS = {
    "": "filename, file_row_number",
    "images": IMAGES,
    "crawled_at": "crawled_at",
    "url": "url",
    "title": "title",
}
MOST_FILTERS = 20
_ID = re.compile(r"[0-9a-f]{32}")


class Tables:
    """SQL over the files of a dataset, from any thread."""

    def __init__(self, dataset: Dataset):
        self.dataset, self.run = dataset, run_of(dataset)
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        protocols = dataset.fs.protocol
        self._local = "file" in (protocols if isinstance(protocols, tuple) else (protocols,))
        if not self._local:
            self._connection.register_filesystem(dataset.fs)
        shards = [(name, shard) for name, split in dataset.manifest.splits.items() for shard in split.documents]
        self.shards = [shard.path for _, shard in shards]
        self.split_of = [name for name, _ in shards]
        self._numbers = {self._path(dataset.url(path)): number for number, path in enumerate(self.shards)}

    def _path(self, path: str) -> str:
        """The path as DuckDB writes it, in queries and in the column `filename`."""
        fs, inside = url_to_fs(path)
        return str(inside if self._local else fs.unstrip_protocol(inside))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query; all values from outside are in `parameters`."""
        cursor = self._connection.cursor()
        try:
            result = cursor.execute(sql, list(parameters))
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise InputError(f"the query failed: {' '.join(str(error).split())[:500]}") from error
        finally:
            cursor.close()

    def documents(self, *, split: str | None = None) -> str:
        """The documents of the dataset, or of one split, for a FROM; with `filename` and `file_row_number`."""
        chosen = [path for path, name in zip(self.shards, self.split_of, strict=True) if split in (None, name)]
        return self._from(map(self.dataset.url, chosen))

    def indexes(self) -> str:
        """The indexes beside the tars of sequences, for a FROM."""
        return self._from(self.dataset.url(shard.index) for shard in self.dataset.sequence_shards)

    def of_run(self, folder: str) -> str | None:
        """The Parquet files of a folder of the run; None if there is no run or no file."""
        names = [name for name in self.run.names(folder) if name.endswith(".parquet")] if self.run else []
        return self._from(map(self.run.url, names)) if self.run and names else None

    def shard_number(self, filename: str) -> int:
        return self._numbers[filename]

    def _from(self, paths: Iterable[str]) -> str:
        listed = list(map(self._path, paths))
        if not listed:
            raise InputError(f"{self.dataset.path} has no such files; build it again")
        return parquet(listed)


def parquet(paths: Sequence[str]) -> str:
    """Files for a FROM, with `filename` and `file_row_number` beside their columns."""
    return f"read_parquet([{', '.join(map(quoted, paths))}], filename = true, file_row_number = true)"


def signal_column(name: str) -> str:
    """The SQL of a signal of documents. Raises `InputError` for an unknown one."""
    if name not in DOCUMENT_RULE_SIGNALS:
        raise InputError(f"{name} is not a signal of documents; docs/filtering.md lists them")
    column = name if name == "language_score" else f'signals."{name}"'
    return f"CAST({column} AS DOUBLE)"


def parse_number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} = {text} is not a number; give one such as 50 or 0.3")
    return value


@dataclass(frozen=True)
class Filters:
    """Conditions that must all hold, the order, and whether texts are searched."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    order: str = SORTS[""]
    split: str | None = None
    searches_texts: bool = False

    @property
    def where(self) -> str:
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""

    @classmethod
    def parse(cls, query: Mapping[str, str], signals: Sequence[str], marked: Mapping[str, list[str]]) -> Self:
        """`query` of a URL; `signals` are its ranges, `NAME:MIN:MAX`; `marked` the ids of documents by mark."""
        conditions: list[str] = []
        parameters: list[Any] = []

        def add(condition: str, *values: Any) -> None:
            conditions.append(condition)
            parameters.extend(values)

        if language := query.get("language"):
            add("coalesce(language, 'unknown') = ?", language)
        if host := query.get("host", "").strip().lower():
            add(f"({HOST} = ? OR ends_with({HOST}, ?))", host, f".{host}")
        for name, sign in (("images_min", ">="), ("images_max", "<=")):
            if query.get(name):
                add(f"{IMAGES} {sign} ?", parse_number(query[name], name))
        for text in signals[:MOST_FILTERS]:
            add(_range_condition(text))
        if mark := query.get("mark"):
            ids = [each for kind in (marked if mark == "any" else [mark]) for each in marked.get(kind, [])]
            add("list_contains(?, document_id)", ids)
        words = query.get("q", "").strip()
        if words:
            add(*_search(words))
        searches_texts = bool(words) and not _names_a_document(words)
        return cls(conditions, parameters, _order(query), query.get("split") or None, searches_texts)


def _range_condition(text: str) -> str:
    """`words:50:100` as SQL; a missing bound is open."""
    name, _, bounds = text.partition(":")
    low, _, high = bounds.partition(":")
    column = signal_column(name)
    least, most = (parse_number(bound, name) if bound else None for bound in (low, high))
    return Rule(signal=name, min=least, max=most).sql(column) if low or high else "true"


def _names_a_document(words: str) -> bool:
    return bool(_ID.fullmatch(words) or re.match(r"https?://", words))


def _search(words: str) -> tuple[str, ...]:
    """Condition and parameters of a search: an id, the beginning of a URL, or words of title and texts."""
    if _ID.fullmatch(words):
        return "document_id = ?", words
    if _names_a_document(words):
        return "starts_with(url, ?)", words
    searched = "contains(lower(title), lower(?)) OR contains(lower(array_to_string(texts, ' ')), lower(?))"
    return f"({searched})", words, words


def _order(query: Mapping[str, str]) -> str:
    name = query.get("sort", "")
    column = SORTS[name] if name in SORTS else signal_column(name)
    if not name:
        return column
    direction = "DESC" if query.get("order") == "desc" else "ASC"
    return f"{column} {direction} NULLS LAST, filename, file_row_number"
