"""What the stages of a build have committed so far, and the parts of the next stage that follow from it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.stage import Part, PartStage, Stage, StageFailed
from m3w.pipeline.engine.table import Input, Table

Entries = dict[str, LedgerEntry]
"""The ledger entries of one stage, by part."""


class Inputs:
    """The committed entries of stages, looked up by the tables that they wrote."""

    def __init__(self) -> None:
        self._entries: dict[Table, Entries] = {}
        self._by_part: set[Table] = set()
        self._outputs: dict[Table, dict[str, Output]] = {}

    def add(self, stage: Stage, entries: Entries) -> None:
        """Add what `stage` has committed, in place of its earlier entries."""
        for table in stage.writes:
            self.put(table, entries, by_part=isinstance(stage, PartStage))

    def put(self, table: Table, entries: Entries, *, by_part: bool = True) -> None:
        """Set the entries that wrote `table`; `by_part` if each part of its stage writes its own file."""
        self._entries[table] = entries
        self._outputs.pop(table, None)
        if by_part:
            self._by_part.add(table)

    def with_entries(self, stage: Stage, entries: Entries) -> Inputs:
        """A copy with these entries for the tables of `stage`."""
        other = Inputs()
        other._entries, other._by_part, other._outputs = dict(self._entries), set(self._by_part), dict(self._outputs)
        other.add(stage, entries)
        return other

    def writes(self, table: Table) -> bool:
        """Whether the run has a stage that writes the table."""
        return table in self._entries

    def entries(self, table: Table) -> Entries:
        """The entries of the stage that wrote the table; empty if no stage writes it."""
        return self._entries.get(table, {})

    def outputs(self, table: Table) -> dict[str, Output]:
        """The table's files by path, in order."""
        if table not in self._outputs:
            written = (o for entry in self.entries(table).values() for o in entry.outputs if table.holds(o.path))
            self._outputs[table] = {output.path: output for output in sorted(written, key=lambda output: output.path)}
        return self._outputs[table]

    def rows(self, table: Table) -> int:
        """How many rows the table has."""
        return sum(output.rows for output in self.outputs(table).values())

    def bytes(self, stage: Stage) -> int:
        """Size of everything that `stage` reads."""
        return sum(o.bytes for declared in stage.reads for o in self.outputs(declared.table).values())

    def counters(self, table: Table) -> Counter[str]:
        """The counters of the stage that wrote the table, summed over its parts."""
        return sum_counters(self.entries(table).values())

    def parts(self, stage: Stage) -> list[Part]:
        """One part per part of the first table that `stage` reads, with the files of the same name in the others.

        Raises `StageFailed` if a table that all parts share is missing, because its stage committed nothing.
        """
        first, *_ = stage.reads
        return [part for name in self.entries(first.table) if (part := self.part(stage, name)) is not None]

    def part(self, stage: Stage, name: str) -> Part | None:
        """The part `name` of `stage`; None if an earlier stage failed on that part."""
        files: list[list[str]] = []
        inputs: list[str] = []
        for declared in stage.reads:
            outputs = self._of_part(stage, declared, name)
            if outputs is None:
                return None
            files.append([output.path for output in outputs])
            if declared.access not in ("required", "by_path"):
                inputs += [f"{output.path} of sha256 {output.sha256}" for output in outputs]
        return Part(name=name, inputs=inputs, files=files)

    def _of_part(self, stage: Stage, declared: Input, name: str) -> list[Output] | None:
        table = declared.table
        if not self.writes(table):
            assert declared.optional, f"{stage.name} reads {table.folder}, which no stage before it writes"
            return []
        if declared.access == "by_path":
            return []
        if declared.access == "shared":
            if not self.entries(table):
                raise StageFailed(
                    f"{stage.name} needs {table.folder}, which has no file, as its stage failed; see m3w status"
                )
            return list(self.outputs(table).values())
        output = self.outputs(table).get(table.path(name))
        return [output] if output else None if table in self._by_part else []


def sum_counters(entries: Iterable[LedgerEntry]) -> Counter[str]:
    """Counters summed over parts, ordered by name."""
    total: Counter[str] = Counter()
    for entry in entries:
        total.update(entry.counters)
    return Counter(dict(sorted(total.items())))


def inputs_digest(parts: Iterable[Part]) -> str:
    """SHA-256 (hex) of the inputs of `parts`, for a stage that reads all of them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part.name} {part.inputs}\n".encode())
    return digest.hexdigest()
