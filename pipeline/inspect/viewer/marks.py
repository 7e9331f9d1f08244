"""A reader's marks on documents, good or bad, in a file of JSON lines; each mark appends a line."""

from __future__ import annotations

import csv
import io
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from m3w.recipes.errors import InputError

KINDS = ("good", "bad")
COLUMNS = ("document_id", "mark", "note", "url", "marked_at")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST_NOTE = 2000


class Marks:
    """The marks in one file. The last line about a document counts; a mark of null removes it."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._marks: dict[str, dict[str, Any]] = {}
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                self._take(self._read(line, number))

    def _read(self, line: str, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
            return {name: row.get(name) for name in COLUMNS}
        except (ValueError, AttributeError) as error:
            raise InputError(
                f"line {number} of {self.path} is no mark ({error}); correct it, or give another file with --marks"
            ) from error

    def _take(self, row: dict[str, Any]) -> None:
        self._marks.pop(row["document_id"], None)
        if row["mark"] is not None:
            self._marks[row["document_id"]] = row

    def set(self, document_id: str, mark: str | None, *, url: str, note: str = "") -> None:
        """Raises `InputError` for an unknown mark, and if the file cannot be written."""
        if mark is not None and mark not in KINDS:
            raise InputError(f"{mark} is not a mark; give {' or '.join(KINDS)}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"document_id": document_id, "mark": mark, "note": note[:MOST_NOTE], "url": url, "marked_at": now}
        with self._lock:
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            except OSError as error:
                raise InputError(f"{self.path} cannot be written ({error}); give another file with --marks") from error
            self._take(row)

    def of(self, document_id: str) -> str | None:
        row = self._marks.get(document_id)
        return row["mark"] if row else None

    def ids(self, mark: str) -> list[str]:
        return [document_id for document_id, row in self._marks.items() if row["mark"] == mark]

    def counts(self) -> dict[str, int]:
        return {kind: len(self.ids(kind)) for kind in KINDS}

    def json_lines(self) -> str:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._marks.values())

    def csv(self) -> str:
        """For a spreadsheet; an apostrophe precedes what it would read as a formula."""
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([_cell(row[name]) for name in COLUMNS] for row in self._marks.values())
        return file.getvalue()


def _cell(value: Any) -> str:
    text = str(value or "")
    return f"'{text}" if text.startswith(FORMULA) else text
