"""Predictions on disk: readable JSON lines, appended batch by batch, so that a stopped evaluation resumes.

    OUTPUT/evaluation.json                                     what the predictions depend on
    OUTPUT/predictions/4-shots-seed-0/00000.jsonl               one file for each process, one line for each query

A batch of queries is the unit of work. Batches do not depend on the number of processes, so padding and rounding do not
either. A batch that was not written whole is predicted again; lines that occur twice count once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m3w.recipes.errors import InputError


def claim_output(output: Path, identity: dict[str, Any]) -> None:
    """Record `identity` in `output`. Raises InputError if the predictions there have another one."""
    path, ours = output / "evaluation.json", json.loads(json.dumps(identity))
    output.mkdir(parents=True, exist_ok=True)
    if path.exists():
        saved = json.loads(path.read_text(encoding="utf-8"))
        differ = [key for key in ours if saved.get(key) != ours[key]]
        if differ:
            key = differ[0]
            raise InputError(
                f"{output} holds predictions made with {key} = {saved.get(key)!r}, not {ours[key]!r}, and they would "
                "be mixed; set another `output`, or remove that folder"
            )
        return
    path.write_text(json.dumps(ours, indent=1, ensure_ascii=False), encoding="utf-8")


class PredictionFiles:
    """The predictions of one number of shots and one seed."""

    def __init__(self, output: Path, shots: int, seed: int) -> None:
        self.folder = output / "predictions" / f"{shots}-shots-seed-{seed}"

    def lines(self) -> dict[str, dict[str, Any]]:
        """All records, by the query's key; lines that a killed process left incomplete are ignored."""
        records: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").split("\n"):
                record = _parsed(line)
                if record is not None:
                    records.setdefault(record["key"], record)
        return records

    def missing(self, batches: Sequence[Sequence[str]]) -> list[int]:
        """Numbers of the batches, each a list of keys, of which a record is missing."""
        records = self.lines()
        return [number for number, keys in enumerate(batches) if not all(key in records for key in keys)]

    def writer(self, rank: int) -> PredictionWriter:
        return PredictionWriter(self.folder / f"{rank:05d}.jsonl")


class PredictionWriter:
    """Appends batches to the file of one process; first cuts off an incomplete last line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                with path.open("r+b") as file:
                    file.truncate(whole)
        self._file = path.open("a", encoding="utf-8")

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        """Write all lines of a batch at once."""
        self._file.write("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and "key" in record else None
