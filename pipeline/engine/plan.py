"""The plan of a build: the declared stages that a recipe enables, their settings, and how they run in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from m3w.pipeline.engine.inputs import Entries, Inputs, sum_counters
from m3w.pipeline.engine.settings import digest, keys_of, settings_of
from m3w.pipeline.engine.stage import GroupStage, Part, PartStage, Stage
from m3w.recipes.errors import InputError

if TYPE_CHECKING:
    from m3w.pipeline.engine.executor import Executor  # imports Ray, which status and statistics do not need


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a recipe enables, with its settings from the recipe."""

    stage: Stage
    settings: Any

    def parts(self, inputs: Inputs) -> list[Part]:
        """The stage's parts, which follow from what earlier stages committed."""
        if isinstance(self.stage, PartStage) and self.stage.parts is not None:
            return list(self.stage.parts(self.settings, inputs))
        return inputs.parts(self.stage)


class Plan:
    """The stages of `declared` that `recipe` enables, in order."""

    def __init__(self, declared: Sequence[Stage], recipe: object):
        every = [PlannedStage(stage, settings_of(stage.settings, recipe)) for stage in declared]
        self.stages = [planned for planned in every if planned.stage.enabled(planned.settings)]
        names = {planned.stage.name for planned in self.stages}
        self.off = sorted({stage.name for stage in declared} - names)
        """Names of the stages that the recipe does not enable."""

    def check(self) -> dict[str, list[Part]]:
        """Check the settings; the parts of the stages that read no other stage's tables, by stage.

        Runs before anything is written. Raises `InputError` for a setting that names something that does not exist.
        """
        for planned in self.stages:
            planned.stage.check(planned.settings)
        written = {table for planned in self.stages for table in planned.stage.writes}
        return {
            planned.stage.name: planned.parts(Inputs())
            for planned in self.stages
            if not any(declared.table in written for declared in planned.stage.reads)
        }

    def run(self, executor: Executor, first: dict[str, list[Part]]) -> tuple[Inputs, dict[str, dict[str, int]]]:
        """Run the stages; what they committed, and their counters by stage. `first` is the result of `check`.

        Raises `StageFailed`, and `InputError` for wrong input that shows only while stages run.
        """
        self._check_gpus(executor)
        inputs, counts = Inputs(), dict[str, dict[str, int]]()
        for name in self.off:
            executor.remove_stage(name)
        for planned in self.stages:
            stage = planned.stage
            parts = first.get(stage.name)
            entries = _run_stage(executor, planned, inputs, parts)
            inputs.add(stage, entries)
            counts[stage.name] = dict(sum_counters(entries.values()))
        return inputs, counts

    def _check_gpus(self, executor: Executor) -> None:
        for planned in self.stages:
            if isinstance(planned.stage, PartStage) and planned.stage.pool is not None:
                pool = planned.stage.pool(planned.settings)
                executor.check_gpus(pool.gpus, pool.gpus_key)


def _run_stage(executor: Executor, planned: PlannedStage, inputs: Inputs, parts: list[Part] | None) -> Entries:
    stage = planned.stage
    if isinstance(stage, GroupStage):
        return executor.run_grouping(stage, planned.settings, inputs)
    assert isinstance(stage, PartStage)
    if stage.rounds is not None:
        return stage.rounds(executor, stage, planned.settings, inputs)
    return executor.run_parts(stage, planned.settings, planned.parts(inputs) if parts is None else parts)


def recipe_digest(recipe: object, kinds: Iterable[type]) -> str:
    """SHA-256 (hex) of everything that can change a dataset: all of the recipe's keys that these settings hold.

    Raises `InputError` for a list that cannot be read.
    """
    paths = sorted({path for kind in kinds for path in keys_of(kind, "result", "inputs")})
    return digest((path, attrgetter(path)(recipe)) for path in paths)


def check_stage_names(names: Iterable[str], declared: Sequence[Stage], key: str) -> None:
    """Raises `InputError` for a name under the recipe's `key` that is not the name of a stage."""
    stages = list(dict.fromkeys(stage.name for stage in declared))
    for name in names:
        if name not in stages:
            raise InputError(f"{key}.{name} is not a stage, so it has no effect; the stages are {', '.join(stages)}")
