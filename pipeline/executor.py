"""Parts on Ray: the one place where tasks are submitted.

A stage is a function over parts. Committed parts are passed over, the rest are submitted a bounded number at a time;
a part that fails is tried again and, after its last attempt, set aside with its traceback while the others go on.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError

from pipeline.attempt import Attempt
from pipeline.ledger import FailedPart, LedgerEntry
from pipeline.progress import Progress
from pipeline.recipe import Recipe
from pipeline.run import Run

TASKS_PER_SLOT = 2
"""Submitted parts for each that can run: one at work, one that waits, so that no worker idles between two."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One unit of a stage's work."""

    name: str
    inputs: list[str]
    """What it reads, for the ledger; a part whose inputs changed is redone."""
    work: dict[str, Any] = field(default_factory=dict)
    """What the stage's function needs to know besides; a function of the inputs."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a run."""

    name: str
    fingerprint: str
    """Changes whenever the stage's results could: see `pipeline.recipe.STAGE_FIELDS`."""
    process: Callable[[Attempt, Part, Recipe], None]
    """Reads the part's inputs, writes and counts on the attempt. A pure function, but for `fetch`."""


class StageFailed(RuntimeError):
    """More parts of a stage were set aside than the recipe allows."""


def start_ray(address: str | None = None) -> None:
    """Connect to the cluster at `address` (or in RAY_ADDRESS), or start Ray on this machine. Twice is once."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # img2dataset's import would ask the network
    if not ray.is_initialized():
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


def run_stage(
    run: Run, recipe: Recipe, stage: Stage, parts: Iterable[Part], progress: Progress
) -> dict[str, LedgerEntry]:
    """Work off `parts`; the ledger entries of all that are committed, in the order of `parts`.

    Raises `StageFailed` if more than `execution.max_failed_parts` were set aside.
    """
    by_name = {part.name: part for part in parts}
    entries = _still_valid(run, stage, by_name, progress)
    waiting = deque((part, 1) for name, part in by_name.items() if name not in entries)
    progress.begin(stage.name, total=len(by_name), done=len(entries))
    failed = 0
    for result in _results(run, recipe, stage, waiting):
        if isinstance(result, LedgerEntry):
            entries[result.part] = result
        else:
            run.set_aside(result)
            failed += 1
        progress.advance(result)
    progress.end(stage.name)
    if failed > recipe.execution.max_failed_parts:
        raise StageFailed(
            f"{failed} of {len(by_name)} parts of {stage.name} failed {recipe.execution.attempts} times each and were "
            f"set aside; see m3w status, mend the cause and build again, or raise execution.max_failed_parts"
        )
    return {name: entries[name] for name in by_name if name in entries}


def _still_valid(run: Run, stage: Stage, parts: dict[str, Part], progress: Progress) -> dict[str, LedgerEntry]:
    """Committed entries that this recipe would make again; the others are taken out of the ledger first."""
    entries = run.entries(stage.name)
    valid = {
        name: entry
        for name, entry in entries.items()
        if name in parts and entry.fingerprint == stage.fingerprint and entry.inputs == parts[name].inputs
    }
    missing = run.missing_outputs(valid.values())
    valid = {name: entry for name, entry in valid.items() if name not in missing}
    stale = [entry for name, entry in entries.items() if name not in valid]
    if stale:
        progress.note(f"{stage.name}: {len(stale)} parts are redone, since their recipe or inputs changed or were lost")
    kept = {output.path for entry in valid.values() for output in entry.outputs}
    for entry in stale:
        run.remove(f"ledger/{stage.name}/{entry.part}.json")
        for output in entry.outputs:
            if output.path not in kept:
                run.remove(output.path)
    run.remove(f"ledger/{stage.name}/failed")
    return valid


def _results(run: Run, recipe: Recipe, stage: Stage, waiting: deque[tuple[Part, int]]) -> Iterable[Any]:
    """Each part's ledger entry or `FailedPart`, as they come."""
    running: dict[Any, tuple[Part, int]] = {}
    settings = {
        "num_cpus": recipe.execution.cpus_per_part,
        "memory": recipe.execution.memory_mib_per_part * 2**20,
        "max_retries": 0,  # attempts are counted here, a worker's death among them
    }
    slots = max(1, int(ray.cluster_resources().get("CPU", 1) / recipe.execution.cpus_per_part))
    while waiting or running:
        while waiting and len(running) < slots * TASKS_PER_SLOT:
            part, number = waiting.popleft()
            options = _attempt.options(name=f"{stage.name}/{part.name}", **settings)
            running[options.remote(run.path, stage, part, recipe, number)] = (part, number)
        done, _ = ray.wait(list(running), num_returns=1)
        part, number = running.pop(done[0])
        try:
            yield ray.get(done[0])
        except RayError as error:
            if number < recipe.execution.attempts:
                waiting.append((part, number + 1))
            else:
                yield _failed(stage, part, number, error)


@ray.remote  # type: ignore[untyped-decorator]
def _attempt(run_path: str, stage: Stage, part: Part, recipe: Recipe, number: int) -> LedgerEntry:
    started = time.perf_counter()
    attempt = Attempt(Run(run_path), stage.name, part.name, number)
    try:
        stage.process(attempt, part, recipe)
        return attempt.commit(stage.fingerprint, part.inputs, time.perf_counter() - started)
    except BaseException:
        attempt.discard()
        raise


def _failed(stage: Stage, part: Part, attempts: int, error: RayError) -> FailedPart:
    cause = getattr(error, "cause", None) or error
    return FailedPart(
        stage=stage.name,
        part=part.name,
        inputs=part.inputs,
        attempts=attempts,
        error=f"{type(cause).__name__}: {' '.join(str(cause).split())[:500]}",
        traceback=str(error)[-20_000:],
    )
