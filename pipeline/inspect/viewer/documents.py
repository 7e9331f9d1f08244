"""Lists of documents, single documents, and the sequences and training windows made of them."""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from fsspec.core import url_to_fs

from m3w.pipeline.filters.rules import Rule
from m3w.pipeline.inspect.examples import read_rows
from m3w.pipeline.inspect.presentation import render
from m3w.pipeline.inspect.viewer.marks import Marks
from m3w.pipeline.inspect.viewer.tables import HOST, IMAGES, Filters, Tables, parquet
from m3w.pipeline.inspect.wording import number, short
from m3w.recipes.errors import InputError
from m3w.schemas.document import OK, InterleavedDocument

PAGE = 50
LISTED = 200
"""Languages and hosts that are offered by name."""
SNIPPET = 160
HELD = 8
"""Documents whose images are in memory."""
MOST_TOKENS = 4096
METADATA = (
    "document_id",
    "url",
    "canonical_url",
    "crawled_at",
    "published_at",
    "language",
    "language_score",
    "declared_language",
    "license",
    "opt_out",
    "warc_path",
    "warc_offset",
    "warc_length",
)
"""Columns that the view "Signals" shows above the signals."""


class Documents:
    """The documents of a dataset."""

    def __init__(self, tables: Tables, marks: Marks):
        self._tables, self._marks = tables, marks
        self._row = lru_cache(maxsize=HELD)(self._read_row)

    def page(self, filters: Filters, page: int) -> dict[str, Any]:
        """`PAGE` documents: one query for which, on the columns that decide it, and one for what is shown of them."""
        source = self._tables.documents(split=filters.split)
        chosen = self._tables.rows(
            f"SELECT filename, file_row_number AS row FROM {source} {filters.where} ORDER BY {filters.order} "
            f"LIMIT {PAGE + 1} OFFSET {page * PAGE}",
            filters.parameters,
        )
        total = None if filters.searches_texts else self._count(source, filters)
        listed = self._listed([(each["filename"], each["row"]) for each in chosen[:PAGE]])
        return {"documents": listed, "page": page, "more": len(chosen) > PAGE, "total": total}

    def _count(self, source: str, filters: Filters) -> int:
        if not filters.conditions and filters.split is None:
            return self._tables.dataset.documents
        return int(self._tables.rows(f"SELECT count(*) AS n FROM {source} {filters.where}", filters.parameters)[0]["n"])

    def _listed(self, keys: list[tuple[str, int]]) -> list[dict[str, Any]]:
        """What the list shows of the documents with these file names and row numbers."""
        if not keys:
            return []
        columns = (
            "filename, file_row_number AS row, document_id, url, title, language, signals.words AS words, "
            f"crawled_at::VARCHAR AS crawled_at, {IMAGES} AS images, "
            f"left(list_filter(texts, lambda text: text IS NOT NULL)[1], {SNIPPET}) AS snippet"
        )
        rows = self._tables.rows(_rows_of_files(keys, columns))
        by_key = {(row.pop("filename"), row.pop("row")): row for row in rows}
        return [
            {
                **{name: _plain(value) for name, value in by_key[key].items()},
                "shard": self._tables.shard_number(key[0]),
                "row": key[1],
                "mark": self._marks.of(by_key[key]["document_id"]),
            }
            for key in keys
        ]

    def document(self, shard: int, row: int, rules: dict[str, Rule]) -> dict[str, Any]:
        """A document: who it is, and HTML of its views "Read" and "Signals"; its pictures are requested one by one."""
        values = self._row(shard, row)
        document, split = InterleavedDocument.from_row(values), self._tables.split_of[shard]
        sources = [
            f"/image/{shard}/{row}/{position}" if content is not None and image and image.status == OK else None
            for position, (image, content) in enumerate(zip(document.images, values["image_bytes"], strict=True))
        ]
        metadata = [(name.replace("_", " "), _words(values[name])) for name in METADATA]
        signals = [
            (name.replace("_", " "), _figure(value), _allowed(rules, name))
            for name, value in (values["signals"] or {}).items()
        ]
        return {
            "document_id": document.document_id,
            "url": document.url,
            "mark": self._marks.of(document.document_id),
            "read": render("documents.html", "document", document, sources, "h1", linked=True, sized=True, split=split),
            "signals": render("documents.html", "signals", [*metadata, ("split", split)], signals),
        }

    def image(self, shard: int, row: int, position: int) -> bytes | None:
        contents = self._row(shard, row)["image_bytes"]
        content: bytes | None = contents[position] if 0 <= position < len(contents) else None
        return content

    def _read_row(self, shard: int, row: int) -> dict[str, Any]:
        """All columns of a document, without reading the rows before it. Raises `InputError` for an unknown one."""
        if not 0 <= shard < len(self._tables.shards):
            raise InputError(f"there is no shard {shard}")
        with self._tables.dataset.open_parquet(self._tables.shards[shard]) as file:
            for values in read_rows(file, [row]):
                return values
        raise InputError(f"{self._tables.shards[shard]} has no row {row}")

    def choices(self) -> dict[str, list[dict[str, Any]]]:
        """The languages and the most frequent hosts, with how many documents each has."""
        return {
            "languages": self._frequent("coalesce(language, 'unknown')"),
            "hosts": self._frequent(HOST),
        }

    def _frequent(self, column: str) -> list[dict[str, Any]]:
        return self._tables.rows(
            f"SELECT {column} AS value, count(*) AS count FROM {self._tables.documents()} GROUP BY 1 "
            f"ORDER BY 2 DESC, 1 LIMIT {LISTED}"
        )


def _rows_of_files(keys: list[tuple[str, int]], columns: str) -> str:
    """Rows of files, file by file, so that DuckDB skips other row groups; with one condition for all files it does not.

    Names and row numbers come from DuckDB itself.
    """
    by_file: dict[str, list[int]] = {}
    for name, row in keys:
        by_file.setdefault(name, []).append(row)
    return " UNION ALL ".join(
        f"SELECT {columns} FROM {parquet([name])} WHERE file_row_number IN ({', '.join(map(str, rows))})"
        for name, rows in by_file.items()
    )


def _plain(value: Any) -> Any:
    """As JSON allows it: no NaN, times as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if (plain := _plain(value)) is None else str(plain)


def _figure(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "none"
    return number(value) if abs(value) >= 1000 else short(value)


def _allowed(rules: dict[str, Rule], signal: str) -> str:
    """`at least 50, at most 100,000`: the range of the first rule on the signal."""
    rule = next((rule for name, rule in rules.items() if (rule.signal or name) == signal), None)
    bounds = [] if rule is None else [("at least", rule.min), ("at most", rule.max)]
    return ", ".join(f"{words} {_figure(bound)}" for words, bound in bounds if bound is not None)


@dataclass(frozen=True, kw_only=True)
class ShownWindow:
    """A training window of a sequence, token by token; all lists are equally long."""

    pieces: list[str]
    """The text of each token."""
    phi: list[int]
    """The image of the window, from 1, that each token attends to; 0: none."""
    masked: list[bool]
    """Tokens without loss."""
    first_image: int
    """The index, in the sequence, of the window's first image."""
    start: int
    total: int
    """Tokens of the whole sequence."""
    tokenizer: str
    """What the tokens are of, in words."""


CutWindow = Callable[[list[str | None], bool, int, int, bool], ShownWindow]
"""Texts of a sequence (None where an image stands), whether its document ends with it, the first token, the most
tokens, and whether text attends to the next image: the window. The trainer cuts it; `cli` passes its function here."""


class Sequences:
    """The sequences of a dataset, found through the indexes of its tars."""

    def __init__(self, tables: Tables, cut_window: CutWindow | None):
        self._tables, self._cut_window = tables, cut_window
        self._tars = {posixpath.basename(shard.index): shard.path for shard in tables.dataset.sequence_shards}

    def of(self, document_id: str) -> list[dict[str, Any]]:
        """Each with its key, its texts (null where an image stands) and how many images it has."""
        sequences = []
        for row in self._indexed("document_id = ?", document_id):
            sample = json.loads(self._member(row, "json"))
            images = len(sample["image_positions"])
            sequences.append(
                {"key": row["key"], "texts": sample["texts"], "images": images, "last": sample.get("last", True)}
            )
        return sequences

    def window(self, key: str, start: int, tokens: int, attend_next: bool) -> dict[str, Any]:
        """The window of at most `tokens` tokens, beginning with token `start`."""
        if self._cut_window is None:
            raise InputError("this viewer was started without the trainer's windows")
        (row,) = self._indexed("key = ?", key) or (None,)
        if row is None:
            raise InputError(f"there is no sequence {key}")
        sample = json.loads(self._member(row, "json"))
        tokens = max(1, min(tokens, MOST_TOKENS))
        return asdict(self._cut_window(sample["texts"], sample.get("last", True), max(0, start), tokens, attend_next))

    def image(self, key: str, number: int) -> bytes | None:
        for row in self._indexed("key = ?", key):
            for member in row["members"]:
                if member["suffix"].partition(".")[0] == str(number):
                    return self._member(row, member["suffix"])
        return None

    def _indexed(self, condition: str, value: str) -> list[dict[str, Any]]:
        return self._tables.rows(
            f"SELECT filename, key, members FROM {self._tables.indexes()} WHERE {condition} ORDER BY key", [value]
        )

    def _member(self, row: dict[str, Any], suffix: str) -> bytes:
        member = next(each for each in row["members"] if each["suffix"] == suffix)
        tar = self._tables.dataset.url(self._tars[posixpath.basename(row["filename"])])
        fs, path = url_to_fs(tar)
        try:
            content: bytes = fs.cat_file(path, start=member["offset"], end=member["offset"] + member["size"])
        except OSError as error:
            raise InputError(f"{tar} cannot be read ({error}); copy it again or build it again") from error
        return content
