"""Runs stages in this process, part by part, without Ray, for tests and benchmarks of single stages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.engine.attempt import Isolation
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.group_by import Grouping, written_files
from m3w.pipeline.engine.inputs import Entries, Inputs
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry, Output
from m3w.pipeline.engine.plan import PlannedStage
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import settings_of
from m3w.pipeline.engine.stage import GroupStage, Part, PartStage, Stage
from m3w.pipeline.engine.table import Table
from m3w.pipeline.engine.workers import Job
from m3w.pipeline.recipe import Recipe, parse_recipe


class InlineExecutor(Executor):
    """Runs attempts as function calls instead of Ray tasks. Raises what an attempt raises."""

    isolation = Isolation.NONE

    def start_ray(self) -> None:
        pass

    def _results(
        self, stage: PartStage, settings: Any, fingerprint: str, parts: list[Part]
    ) -> Iterator[LedgerEntry | FailedPart]:
        job = Job(self.run.reference, stage, settings, fingerprint, self.drops.keep_per_reason)
        for part in parts:
            yield job.attempt(part, 1, self.isolation)

    def _groups(
        self, stage: GroupStage, settings: Any, inputs: Inputs, parts: list[Part], folder: str, name: str
    ) -> list[tuple[Output, dict[str, int]]]:
        if not parts:
            return []
        grouping = Grouping(self.run.reference, stage, stage.shuffle(inputs, settings), folder)
        return written_files(grouping.in_memory(parts))


class InlineRun:
    """A run in `folder/run` whose stages run one by one, in any order; tests can write tables themselves."""

    def __init__(self, folder: Path):
        self.folder, self.run, self.inputs = folder, Run.create(str(folder / "run")), Inputs()
        self.now: datetime | None = None
        """The current time for the stages; None: that of the clock."""

    def recipe(self, **sections: Any) -> Recipe:
        return parse_recipe({"crawl": {"paths": ["-"]}, **sections}, "-")

    def executor(self, recipe: Recipe) -> InlineExecutor:
        now = self.now or datetime.now(UTC)
        return InlineExecutor(self.run, Execution(), Progress(), drops=recipe.drops, now=lambda: now)

    def stage(self, stage: Stage, recipe: Recipe | None = None, parts: list[Part] | None = None) -> Entries:
        """Run the stage over `parts`, or over those that follow from the existing tables; its entries by part."""
        recipe = recipe or self.recipe()
        planned, executor = PlannedStage(stage, settings_of(stage.settings, recipe)), self.executor(recipe)
        if isinstance(stage, GroupStage):
            entries = executor.run_grouping(stage, planned.settings, self.inputs)
        else:
            assert isinstance(stage, PartStage)
            if stage.rounds is not None:
                entries = stage.rounds(executor, stage, planned.settings, self.inputs)
            else:
                wanted = self.parts(stage, recipe) if parts is None else parts
                entries = executor.run_parts(stage, planned.settings, wanted)
        self.inputs.add(stage, entries)
        return entries

    def parts(self, stage: Stage, recipe: Recipe | None = None) -> list[Part]:
        """The parts of a stage that follow from the existing tables. Raises what the stage's plan raises."""
        return PlannedStage(stage, settings_of(stage.settings, recipe or self.recipe())).parts(self.inputs)

    def part(self, stage: PartStage, name: str, recipe: Recipe | None = None, **params: Any) -> LedgerEntry:
        """Run one part of a stage, even if the ledger has it.

        With `params` it is a part that reads no table, such as a file of the crawl.
        """
        part = Part(name=name, inputs=[], params=params) if params else self.inputs.part(stage, name)
        assert part is not None, f"{stage.name} lacks a table of {name}"
        self.run.remove(f"ledger/{stage.name}/{name}.json")
        return self.stage(stage, recipe, [part])[name]

    def put(self, table: Table, rows: list[dict[str, Any]], part: str = "p") -> None:
        """Write a part's file of a table, as the stage that writes the table would."""
        path = self.folder / "run" / table.path(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
        output = Output(path=table.path(part), sha256=str(hash(str(rows))), bytes=path.stat().st_size, rows=len(rows))
        entry = LedgerEntry(
            stage="put", part=part, fingerprint="", inputs=[], outputs=[output], counters={}, seconds=0, attempt=1
        )
        self.inputs.put(table, {**self.inputs.entries(table), part: entry})

    def rows(self, table: Table, part: str = "p") -> list[dict[str, Any]]:
        """The rows of the part's file of a table."""
        return self.rows_at(table.path(part))

    def rows_at(self, path: str) -> list[dict[str, Any]]:
        """The rows of a Parquet file of the run."""
        rows: list[dict[str, Any]] = pq.read_table(self.folder / "run" / path).to_pylist()
        return rows
