"""Lists of documents, and single ones, as JSON. Texts stay texts: the page puts them on screen as such."""

from __future__ import annotations

import math
from typing import Any

from m3w.pipeline.inspect.viewer.filters import Filters
from m3w.pipeline.inspect.viewer.marks import Marks
from m3w.pipeline.inspect.viewer.rows import Rows
from m3w.pipeline.inspect.viewer.tables import HOST, IMAGES, Tables, parquet
from m3w.schemas.document import OK

PAGE = 50
LISTED = 200
"""Languages and hosts that are offered by name."""
SNIPPET = 160


class Documents:
    """The documents of a dataset."""

    def __init__(self, tables: Tables, marks: Marks):
        self._tables, self._marks = tables, marks
        self._rows = Rows(tables.folder, tables.shards)

    def page(self, filters: Filters, page: int) -> dict[str, Any]:
        """`PAGE` documents. Which ones is asked first, of the columns that decide it; what is shown of them, then."""
        source = self._tables.dataset(split=filters.split)
        chosen = self._tables.rows(
            f"SELECT filename, file_row_number AS row FROM {source} {filters.where} ORDER BY {filters.order} "
            f"LIMIT {PAGE + 1} OFFSET {page * PAGE}",
            filters.parameters,
        )
        total = None if filters.searches_texts else self._count(source, filters)
        shown = self._shown([(each["filename"], each["row"]) for each in chosen[:PAGE]])
        return {"documents": shown, "page": page, "more": len(chosen) > PAGE, "total": total}

    def _count(self, source: str, filters: Filters) -> int:
        if not filters.conditions and filters.split is None:
            return self._tables.documents
        return int(self._tables.rows(f"SELECT count(*) AS n FROM {source} {filters.where}", filters.parameters)[0]["n"])

    def _shown(self, places: list[tuple[str, int]]) -> list[dict[str, Any]]:
        if not places:
            return []
        columns = (
            "filename, file_row_number AS row, document_id, url, title, language, signals.words AS words, "
            f"crawled_at::VARCHAR AS crawled_at, {IMAGES} AS images, "
            f"left(list_filter(texts, lambda text: text IS NOT NULL)[1], {SNIPPET}) AS snippet"
        )
        rows = self._tables.rows(_at(places, columns))
        by_place = {(row.pop("filename"), row.pop("row")): row for row in rows}
        shown = []
        for place in places:
            row = by_place[place]
            shown.append(
                {
                    **{name: _plain(value) for name, value in row.items()},
                    "shard": self._tables.shard_number(place[0]),
                    "row": place[1],
                    "mark": self._marks.of(row["document_id"]),
                }
            )
        return shown

    def document(self, shard: int, row: int) -> dict[str, Any]:
        """A whole document, node by node; its pictures are asked for one by one."""
        found = self._rows.read(shard, row)
        nodes = [
            {"text": text} if image is None else {"image": _image(image, content)}
            for text, image, content in zip(found["texts"], found["images"], found["image_bytes"], strict=True)
        ]
        skipped = ("texts", "images", "image_bytes", "signals")
        return {
            **{name: _plain(value) for name, value in found.items() if name not in skipped},
            "signals": {name: _plain(value) for name, value in (found["signals"] or {}).items()},
            "nodes": nodes,
            "shard": shard,
            "row": row,
            "split": self._tables.split_of[shard],
            "mark": self._marks.of(found["document_id"]),
        }

    def image(self, shard: int, row: int, position: int) -> bytes | None:
        contents = self._rows.read(shard, row)["image_bytes"]
        content: bytes | None = contents[position] if 0 <= position < len(contents) else None
        return content

    def choices(self) -> dict[str, list[dict[str, Any]]]:
        """The languages and the most frequent hosts, with how many documents each has."""
        return {
            "languages": self._frequent("coalesce(language, 'unknown')"),
            "hosts": self._frequent(HOST),
        }

    def _frequent(self, column: str) -> list[dict[str, Any]]:
        return self._tables.rows(
            f"SELECT {column} AS value, count(*) AS count FROM {self._tables.dataset()} GROUP BY 1 "
            f"ORDER BY 2 DESC, 1 LIMIT {LISTED}"
        )


def _at(places: list[tuple[str, int]], columns: str) -> str:
    """Rows of files, file by file: so DuckDB skips the other row groups, which it does not under one condition for all.

    Names and rows come from DuckDB itself.
    """
    by_file: dict[str, list[int]] = {}
    for name, row in places:
        by_file.setdefault(name, []).append(row)
    return " UNION ALL ".join(
        f"SELECT {columns} FROM {parquet([name])} WHERE file_row_number IN ({', '.join(map(str, rows))})"
        for name, rows in by_file.items()
    )


def _image(image: dict[str, Any], content: bytes | None) -> dict[str, Any]:
    kept = ("url", "alt", "caption", "width", "height", "mime", "status")
    return {**{name: image[name] for name in kept}, "shown": content is not None and image["status"] == OK}


def _plain(value: Any) -> Any:
    """As JSON has it: no NaN, times as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else value
