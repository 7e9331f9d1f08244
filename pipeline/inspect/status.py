"""Where a run stands, from its ledger: what is done, what failed and why, what is left, what could not be read.

Works on a run at any moment, a finished one and one that a build is working on. Cost: one read of each ledger entry.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from m3w.pipeline.crawl.parts import archive_parts, index_files
from m3w.pipeline.engine.ledger import FailedPart, FaultEntry, LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.driver import DriverStatus, driver_status
from m3w.pipeline.recipe import RESULT_FIELDS, STAGE_FIELDS, Recipe, parse_recipe, stages_of
from m3w.recipes.errors import InputError
from m3w.recipes.loader import parse_yaml
from m3w.schemas.manifest import Manifest, ManifestError

EXAMPLES = 3
"""Faults named for each reason."""
GROUPINGS = ("selected", "deduplicate", "repeated", "requests", "links", "frequent")
"""Stages that bring all parts together; each is one part in the ledger."""
OF_EACH_FILE = ("extract", "filter", "fingerprint", "unique", "score", "join")
"""Stages with one part for each file of the crawl."""


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
    examples: list[FaultEntry]


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
    finished = _finished(run, recipe)
    found: dict[str, StageStatus] = {}
    entries: dict[str, dict[str, LedgerEntry]] = {}
    for stage in STAGE_FIELDS if recipe is None else stages_of(recipe):
        entries[stage], failures = _read(run, stage)
        failures = {name: failed for name, failed in failures.items() if name not in entries[stage]}
        done = len(entries[stage])
        total = done + len(failures) if finished else _total(run, stage, recipe, entries, found)
        found[stage] = StageStatus(
            stage=stage,
            done=done,
            failed=[_failed(failed) for failed in failures.values()],
            left=None if total is None else max(0, total - done - len(failures)),
            counters=_sum(entries[stage].values()),
            faults=_faults(entries[stage].values()),
            seconds=round(sum(entry.seconds for entry in entries[stage].values()), 3),
        )
    return RunStatus(run=run.path, finished=finished, stages=list(found.values()), driver=driver_status(run))


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


def _finished(run: Run, recipe: Recipe | None) -> bool:
    try:
        manifest = Manifest.from_json(run.read("dataset/dataset.json"))
    except (FileNotFoundError, ManifestError):
        return False
    try:
        return recipe is not None and manifest.recipe_sha256 == recipe.digest(RESULT_FIELDS)
    except InputError:  # a list that the recipe names is gone: the next build will say so
        return False


def _total(
    run: Run,
    stage: str,
    recipe: Recipe | None,
    entries: dict[str, dict[str, LedgerEntry]],
    found: dict[str, StageStatus],
) -> int | None:
    """How many parts the stage has or will have; None where that is not known yet."""
    if stage in GROUPINGS or stage == "evaluation":
        return 1
    if stage == "extract" and "selected" in entries:
        return sum(len(entry.outputs) for entry in entries["selected"].values()) or None
    if stage in ("select", "extract"):
        return _files(recipe)
    if stage in OF_EACH_FILE:
        before = found[[name for name in OF_EACH_FILE[: OF_EACH_FILE.index(stage)] if name in found][-1]]
        return None if before.left is None else before.done + before.left
    if stage == "fetch":
        requests = [*entries["requests"].values(), *run.entries("redirects").values()]
        return sum(len(entry.outputs) for entry in requests) if requests else None
    return _shards(entries["assemble"], entries["join"])


def _files(recipe: Recipe | None) -> int | None:
    if recipe is None:
        return None
    try:
        index = recipe.crawl.index.paths
        return len(index_files(recipe.crawl)) if index else len(archive_parts(recipe.crawl))
    except (InputError, OSError):
        return None  # the crawl has moved since, or cannot be reached from here


def _shards(assembled: dict[str, LedgerEntry], joined: dict[str, LedgerEntry]) -> int | None:
    """The shards of all splits that have documents: a part's name says how many its split has."""
    counts = {part.split("-")[0]: int(part.rpartition("-of-")[2]) for part in assembled}
    chunks = (entry.facts.get("chunks", {}) for entry in joined.values())
    splits = {split for each in chunks for split, listed in each.items() if listed}
    return sum(counts.values()) if splits and splits <= counts.keys() else None


def _failed(failed: FailedPart) -> FailedPartStatus:
    return FailedPartStatus(
        part=failed.part,
        attempts=failed.attempts,
        error=" ".join(failed.error.split()),
        traceback_at=f"ledger/{failed.stage}/failed/{failed.part}.json",
    )


def _sum(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for entry in entries:
        total.update(entry.counters)
    return dict(sorted(total.items()))


def _faults(entries: Iterable[LedgerEntry]) -> list[FaultStatus]:
    """Counts from the counters, since a ledger entry names only its first faults; the most frequent first."""
    entries = list(entries)
    counts = {
        name.removeprefix("faults."): count for name, count in _sum(entries).items() if name.startswith("faults.")
    }
    examples: dict[str, list[FaultEntry]] = {}
    for entry in entries:
        for fault in entry.faults:
            named = examples.setdefault(fault.reason, [])
            if len(named) < EXAMPLES:
                named.append(fault)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [FaultStatus(reason=name, count=count, examples=examples.get(name, [])) for name, count in ordered]
