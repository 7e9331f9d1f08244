"""A run whose stages are worked off in place, one part after the other, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.shuffle import InMemory
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.fetch import plan as fetch_plan
from m3w.pipeline.fetch import stage as fetch
from m3w.pipeline.recipe import Recipe, parse_recipe


class InPlace:
    """A run in a folder, with what a test needs of it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.run = Run.create(str(folder / "run"))

    def recipe(self, **sections: Any) -> Recipe:
        return parse_recipe({"crawl": {"paths": ["-"]}, **sections}, "-")

    def work(
        self,
        process: Callable[[Attempt, Part, Recipe], None],
        part: str | Part,
        recipe: Recipe | None = None,
        **work: Any,
    ) -> LedgerEntry:
        part = Part(name=part, inputs=[], work=work) if isinstance(part, str) else part
        *_, room, module = process.__module__.split(".")
        stage = room if module == "stage" else module
        attempt = Attempt(self.run, stage, part.name)
        process(attempt, part, recipe or self.recipe())
        return attempt.commit("-", part.inputs, 0)

    def gather(self, grouping: Grouping, entries: list[LedgerEntry]) -> tuple[LedgerEntry, list[str]]:
        """The grouping's own functions, in place of the shuffle a loop; its entry and its groups."""
        read = pa.concat_tables([grouping.rows(self.run, entry) for entry in entries])
        rows = grouping.steps(InMemory(read)).table()
        groups = sorted(pc.unique(rows["group"]).to_pylist()) if rows.num_rows else []
        attempt = Attempt(self.run, grouping.name, "all")
        for group in groups:
            table, counters = grouping.gather(rows.filter(pc.equal(rows["group"], group)))
            attempt.counters.update(counters)
            for suffix, piece in grouping.pieces(table):
                with attempt.create(f"{grouping.folder}/{group}{suffix}.parquet") as file:
                    pq.write_table(piece, file)
                    file.rows = piece.num_rows
        return attempt.commit("-", [], 0), groups

    def fetch(
        self,
        requested: LedgerEntry,
        recipe: Recipe,
        now: datetime | None = None,
        settled: Iterable[LedgerEntry] = (),
    ) -> list[LedgerEntry]:
        """One wave of the stage `fetch` over what a grouping requested."""
        known = self.run.entries("fetch")
        names = [entry.part for entry in settled]
        parts = fetch_plan.plan(requested, known, "-", recipe.fetch, now or datetime.now(UTC), names)
        return [known.get(part.name) or self.work(fetch.process, part, recipe) for part in parts]

    def rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pq.read_table(self.folder / "run" / name).to_pylist()
        return found

    def write(self, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
        """A file of the run as an earlier stage would have left it."""
        path = self.folder / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


@pytest.fixture
def in_place(tmp_path: Path) -> InPlace:
    return InPlace(tmp_path)
