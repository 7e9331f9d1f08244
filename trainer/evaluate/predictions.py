"""Predictions on disk: JSON lines that a person can read, written batch by batch, gone on with after a stop.

    OUTPUT/evaluation.json                                     what the predictions belong to
    OUTPUT/predictions/4-shots-seed-0/00000.jsonl               a file a process; a line a query

A batch of queries is the unit of work. Batches are the same whatever the number of processes, so that padding, and with
it every rounding, is the same; a batch that was not written whole is asked again, its lines are not counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m3w.recipes.errors import InputError


def claim_output(output: Path, identity: dict[str, Any]) -> None:
    """Note in `output` what its predictions belong to; InputError if they belong to something else."""
    path, ours = output / "evaluation.json", json.loads(json.dumps(identity))
    output.mkdir(parents=True, exist_ok=True)
    if path.exists():
        saved = json.loads(path.read_text(encoding="utf-8"))
        differ = [key for key in ours if saved.get(key) != ours[key]]
        if differ:
            key = differ[0]
            raise InputError(
                f"{output} holds predictions made with {key} = {saved.get(key)!r}, not {ours[key]!r}: the two would "
                "be mixed; set another `output`, or remove that folder"
            )
        return
    path.write_text(json.dumps(ours, indent=1, ensure_ascii=False), encoding="utf-8")


class PredictionFiles:
    """The predictions of one number of shots and one seed."""

    def __init__(self, output: Path, shots: int, seed: int) -> None:
        self.folder = output / "predictions" / f"{shots}-shots-seed-{seed}"

    def lines(self) -> dict[str, dict[str, Any]]:
        """What is there, by the query's key; a line that a killed process left half written is passed over."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").split("\n"):
                record = _parsed(line)
                if record is not None:
                    found.setdefault(record["key"], record)
        return found

    def missing(self, batches: Sequence[Sequence[str]]) -> list[int]:
        """Numbers of the batches, each a list of keys, that are not there whole."""
        there = self.lines()
        return [number for number, keys in enumerate(batches) if not all(key in there for key in keys)]

    def writer(self, rank: int) -> PredictionWriter:
        return PredictionWriter(self.folder / f"{rank:05d}.jsonl")


class PredictionWriter:
    """Appends batches to one process's file."""

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
        """All lines of a batch at once."""
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
