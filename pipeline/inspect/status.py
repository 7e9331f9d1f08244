"""Where a run stands, from its ledger: what is done, what failed and why, what is left, what could not be read.

Works on a run at any moment, a finished one and one that a build is working on. Cost: one read of each ledger entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from m3w.pipeline.build import STAGES, dataset_digest
from m3w.pipeline.engine.inputs import Entries, Inputs, sum_counters
from m3w.pipeline.engine.ledger import FailedPart, Fault, LedgerEntry
from m3w.pipeline.engine.plan import Plan, PlannedStage
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import GroupStage, PartStage
from m3w.pipeline.engine.table import Table
from m3w.pipeline.fetch.redirect_rounds import redirects
from m3w.pipeline.inspect.driver import DriverStatus, driver_status
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.pipeline.tables import REQUESTS
from m3w.recipes.errors import InputError
from m3w.recipes.loader import parse_yaml
from m3w.schemas.manifest import Manifest, ManifestError

EXAMPLES = 3
"""Faults named for each reason."""


class _Figure(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FailedPartStatus(_Figure):
    part: str
    attempts: int
    error: str
    traceback_at: str
    """Path of the ledger file that holds the traceback, from the run's folder."""


class FaultStatus(_Figure):
    """What in the input could not be read for one reason."""

    reason: str
    count: int
    examples: list[Fault]


class StageStatus(_Figure):
    stage: str
    done: int
    """Parts committed."""
    failed: list[FailedPartStatus]
    left: int | None
    """Parts neither done nor failed; None where nothing says yet how many there will be."""
    counters: dict[str, int]
    faults: list[FaultStatus]
    seconds: float
    """Of work on the parts done, added up over workers."""


class RunStatus(_Figure):
    run: str
    finished: bool
    """There is a dataset, and it is the one that the run's recipe asks for."""
    stages: list[StageStatus] = Field(default_factory=list)
    driver: DriverStatus | None = None
    """The build at work, or the last one that ended without a word."""

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def run_status(run: Run) -> RunStatus:
    """The status of `run` as its ledger has it now."""
    recipe = _recipe(run)
    if recipe is None:
        return RunStatus(run=run.path, finished=False, driver=driver_status(run))
    finished = _finished(run, recipe)
    inputs, stages = Inputs(), list[StageStatus]()
    parts: dict[Table, int | None] = {}
    for planned in Plan(STAGES, recipe).stages:
        entries, failures = _read(run, planned.stage.name)
        failures = {name: failed for name, failed in failures.items() if name not in entries}
        ended = len(entries) + len(failures)
        complete = all(status.left == 0 for status in stages)
        total = ended if finished else _total(run, planned, inputs, parts, complete)
        left = None if total is None else max(0, total - ended)
        stages.append(_stage_status(planned.stage.name, entries, failures, left))
        inputs.add(planned.stage, entries)
        parts |= dict.fromkeys(planned.stage.writes, None if left is None else len(entries) + left)
    return RunStatus(run=run.path, finished=finished, stages=stages, driver=driver_status(run))


def _stage_status(stage: str, entries: Entries, failures: dict[str, FailedPart], left: int | None) -> StageStatus:
    return StageStatus(
        stage=stage,
        done=len(entries),
        failed=[_failed(failed) for failed in failures.values()],
        left=left,
        counters=dict(sum_counters(entries.values())),
        faults=_faults(entries.values()),
        seconds=round(sum(entry.seconds for entry in entries.values()), 3),
    )


def _read(run: Run, stage: str) -> tuple[dict[str, LedgerEntry], dict[str, FailedPart]]:
    """The stage's ledger; read again if a build took an entry out between the listing and the reading."""
    for _ in range(3):
        try:
            return run.entries(stage), run.failures(stage)
        except FileNotFoundError:
            continue
    raise InputError(f"the ledger of {run.path} changes faster than it can be read; ask again in a moment")


def _recipe(run: Run) -> Recipe | None:
    try:
        return parse_recipe(parse_yaml(run.read("recipe.yaml"), run.url("recipe.yaml")), run.url("recipe.yaml"))
    except FileNotFoundError:
        return None  # a build freezes it first thing; before that there is no stage either


def _finished(run: Run, recipe: Recipe) -> bool:
    try:
        manifest = Manifest.from_json(run.read("dataset/dataset.json"))
    except (FileNotFoundError, ManifestError):
        return False
    try:
        return manifest.recipe_sha256 == dataset_digest(recipe)
    except InputError:  # a list that the recipe names is gone: the next build will say so
        return False


def _total(
    run: Run, planned: PlannedStage, inputs: Inputs, parts: dict[Table, int | None], complete: bool
) -> int | None:
    """How many parts the stage has or will have; None where that is not known yet.

    `parts` says how many the stages before it have or will have, by table; `complete` whether they all have ended.
    """
    stage = planned.stage
    if isinstance(stage, GroupStage):
        return 1
    assert isinstance(stage, PartStage)
    if stage.one_part:
        return 1
    if stage.rounds is not None:
        outputs = [o for entry in run.entries(redirects.name).values() for o in entry.outputs]
        return len(inputs.outputs(REQUESTS)) + len(outputs) if inputs.entries(REQUESTS) else None
    if stage.parts is None:
        return parts[stage.reads[0].table]
    if not complete and any(declared.table in parts for declared in stage.reads):
        return None
    try:
        return len(planned.parts(inputs)) or None
    except (InputError, OSError):
        return None  # the crawl has moved since, or cannot be reached from here


def _failed(failed: FailedPart) -> FailedPartStatus:
    return FailedPartStatus(
        part=failed.part,
        attempts=failed.attempts,
        error=" ".join(failed.error.split()),
        traceback_at=f"ledger/{failed.stage}/failed/{failed.part}.json",
    )


def _faults(entries: Iterable[LedgerEntry]) -> list[FaultStatus]:
    """Counts from the counters, since a ledger entry names only its first faults; the most frequent first."""
    entries = list(entries)
    counts = {
        name.removeprefix("faults."): count
        for name, count in sum_counters(entries).items()
        if name.startswith("faults.")
    }
    examples: dict[str, list[Fault]] = {}
    for entry in entries:
        for fault in entry.faults:
            named = examples.setdefault(fault.reason, [])
            if len(named) < EXAMPLES:
                named.append(fault)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [FaultStatus(reason=name, count=count, examples=examples.get(name, [])) for name, count in ordered]
