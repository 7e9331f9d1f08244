"""Parts on Ray: the one place where tasks are submitted.

A stage is a function over parts. Committed parts are passed over, the rest are submitted a bounded number at a time;
a part that fails is tried again and, after its last attempt, set aside with its traceback while the others go on.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from pipeline.attempt import Attempt
from pipeline.errors import InputError
from pipeline.ledger import FailedPart, LedgerEntry
from pipeline.progress import Progress
from pipeline.recipe import Recipe
from pipeline.run import Run
from pipeline.waiting import Waiting

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Ray colours its tracebacks."""
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
    owner: str | None = None
    """Of the parts of one owner at most one runs at a time: what they own, a group of hosts, has one task at a time."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Processes that stay up from part to part, for a stage whose start is dear: models are loaded once."""

    actors: int
    gpus: float
    """Of each actor."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a run."""

    name: str
    fingerprint: str
    """Changes whenever the stage's results could: see `pipeline.recipe.STAGE_FIELDS`."""
    process: Callable[[Attempt, Part, Recipe], None]
    """Reads the part's inputs, writes and counts on the attempt. A pure function, but for `fetch`."""
    keeps: bool = False
    """What an earlier recipe or input made stays until `Executor.forget`: the new parts take over from it."""
    pool: Pool | None = None
    """Parts go to the actors of this pool; None for a task each."""


class StageFailed(RuntimeError):
    """More parts of a stage were set aside than the recipe allows."""


class Executor:
    """Works off the stages of one run. Ray is started, or connected to, by the first part that needs it."""

    def __init__(self, run: Run, recipe: Recipe, progress: Progress, address: str | None = None):
        self.run, self.recipe, self.progress = run, recipe, progress
        self._address = address

    def start_ray(self) -> None:
        """Connect to the cluster at the address (or in RAY_ADDRESS), or start Ray on this machine. Twice is once."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if not ray.is_initialized():
            ray.init(address=self._address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    def check_gpus(self, gpus: float, key: str) -> None:
        """Raises `InputError` if no machine has so many GPUs for one actor, since Ray would wait for one for ever."""
        if not gpus:
            return
        self.start_ray()
        most = max(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])
        if gpus > most:
            raise InputError(
                f"{key} = {gpus:g}, but the machine with the most GPUs has {most:g}, so no process could start; give "
                "fewer, or a cluster that has them (--address)"
            )

    def work_off(self, stage: Stage, parts: Iterable[Part]) -> dict[str, LedgerEntry]:
        """The ledger entries of all `parts` that are committed in the end, in the order of `parts`.

        Raises `StageFailed` if more than `execution.max_failed_parts` were set aside.
        """
        by_name = {part.name: part for part in parts}
        entries = self._still_valid(stage, by_name)
        missing = [part for name, part in by_name.items() if name not in entries]
        self.progress.begin(stage.name, total=len(by_name), done=len(entries))
        failed = 0
        for result in self._results(stage, missing):
            if isinstance(result, LedgerEntry):
                entries[result.part] = result
            else:
                self.run.set_aside(result)
                failed += 1
            self.progress.advance(result)
        self.progress.end(stage.name)
        if failed > self.recipe.execution.max_failed_parts:
            raise StageFailed(
                f"{failed} of {len(by_name)} parts of {stage.name} failed {self.recipe.execution.attempts} times each "
                f"and were set aside; see m3w status {self.run.path}, mend the cause and build again, or raise "
                "execution.max_failed_parts"
            )
        return {name: entries[name] for name in by_name if name in entries}

    def _still_valid(self, stage: Stage, parts: dict[str, Part]) -> dict[str, LedgerEntry]:
        """Committed entries that this recipe would make again; the others are taken out of the ledger first."""
        entries = self.run.entries(stage.name)
        valid = {
            name: entry
            for name, entry in entries.items()
            if name in parts and entry.fingerprint == stage.fingerprint and entry.inputs == parts[name].inputs
        }
        missing = self.run.missing_outputs(valid.values())
        valid = {name: entry for name, entry in valid.items() if name not in missing}
        stale = [] if stage.keeps else [entry for name, entry in entries.items() if name not in valid]
        if stale:
            self.progress.note(f"{stage.name}: {len(stale)} parts are redone: their recipe or inputs changed")
        self._take_out(stage.name, stale, valid)
        for name in self.run.failures(stage.name):
            if name in parts or not stage.keeps:
                self.run.remove(f"ledger/{stage.name}/failed/{name}.json")
        return valid

    def forget(self, stage: Stage, planned: Iterable[str]) -> None:
        """Take all that a stage kept, but for the `planned` parts, out of the ledger and out of the run."""
        planned = set(planned)
        entries = self.run.entries(stage.name)
        stale = [entry for name, entry in entries.items() if name not in planned]
        self._take_out(stage.name, stale, {name: entry for name, entry in entries.items() if name in planned})
        for name in self.run.failures(stage.name).keys() - planned:
            self.run.remove(f"ledger/{stage.name}/failed/{name}.json")

    def _take_out(self, stage: str, stale: list[LedgerEntry], valid: dict[str, LedgerEntry]) -> None:
        kept = {output.path for entry in valid.values() for output in entry.outputs}
        for entry in stale:
            self.run.remove(f"ledger/{stage}/{entry.part}.json")
            for output in entry.outputs:
                if output.path not in kept:
                    self.run.remove(output.path)

    def _results(self, stage: Stage, parts: list[Part]) -> Iterator[LedgerEntry | FailedPart]:
        """Each part's ledger entry or `FailedPart`, as they come."""
        if not parts:
            return
        waiting = Waiting(parts)
        self.start_ray()
        hands = _Tasks(self.recipe) if stage.pool is None else _Actors(self.recipe, stage.pool)
        running: dict[Any, tuple[Part, int]] = {}
        try:
            while True:
                while len(running) < hands.at_once and (taken := waiting.take()):
                    running[hands.submit(self.run.path, stage, *taken)] = taken
                if not running:
                    return
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                hands.free(done)
                part, number = running.pop(done)
                try:
                    entry = ray.get(done)
                except RayError as error:
                    if number < self.recipe.execution.attempts:
                        waiting.again(part, number + 1)
                        continue
                    entry = _failed(stage, part, number, error)
                waiting.done(part)
                yield entry
        finally:
            hands.close()


class _Tasks:
    """A Ray task for each attempt."""

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        slots = int(ray.cluster_resources().get("CPU", 1) / recipe.execution.cpus_per_part)
        self.at_once = TASKS_PER_SLOT * max(1, slots)

    def submit(self, run_path: str, stage: Stage, part: Part, number: int) -> Any:
        task = _attempt_as_task.options(
            name=f"{stage.name}/{part.name}",
            num_cpus=self._recipe.execution.cpus_per_part,
            memory=self._recipe.execution.memory_mib_per_part * 2**20,
            max_retries=0,  # attempts are counted by the executor, a worker's death among them
        )
        return task.remote(run_path, stage, part, self._recipe, number)

    def free(self, reference: Any) -> None:
        pass

    def close(self) -> None:
        pass


class _Actors:
    """A pool of actors, each of which has one attempt at a time; a dead one is replaced."""

    def __init__(self, recipe: Recipe, pool: Pool):
        self._recipe, self.at_once = recipe, pool.actors
        self._options = {"num_cpus": recipe.execution.cpus_per_part, "num_gpus": pool.gpus}
        self._idle = [self._started() for _ in range(pool.actors)]
        self._busy: dict[Any, Any] = {}

    def submit(self, run_path: str, stage: Stage, part: Part, number: int) -> Any:
        actor = self._idle.pop()
        reference = actor.attempt.remote(run_path, stage, part, self._recipe, number)
        self._busy[reference] = actor
        return reference

    def free(self, reference: Any) -> None:
        """The attempt is over; the next one would die with an actor that did, so another is started in its place."""
        actor = self._busy.pop(reference)
        try:
            ray.get(reference)
        except RayActorError:
            actor = self._started()
        except RayError:
            pass  # the attempt failed, its process lives
        self._idle.append(actor)

    def _started(self) -> Any:
        return _Worker.options(**self._options).remote()  # type: ignore[attr-defined]

    def close(self) -> None:
        for actor in (*self._idle, *self._busy.values()):
            ray.kill(actor)


@ray.remote
class _Worker:
    """An actor of a pool; what the stage's function loads stays loaded in its process."""

    def attempt(self, run_path: str, stage: Stage, part: Part, recipe: Recipe, number: int) -> LedgerEntry:
        return _attempt(run_path, stage, part, recipe, number)


@ray.remote  # type: ignore[untyped-decorator]
def _attempt_as_task(run_path: str, stage: Stage, part: Part, recipe: Recipe, number: int) -> LedgerEntry:
    return _attempt(run_path, stage, part, recipe, number)


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
        traceback=COLOURS.sub("", str(error))[-20_000:],
    )
