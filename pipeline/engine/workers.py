"""Runs attempts on Ray: each in a task, or on a pool of actors."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError, RayError, RaySystemError, RayTaskError

from m3w.pipeline.engine.attempt import Attempt, Isolation
from m3w.pipeline.engine.execution import Needs
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry
from m3w.pipeline.engine.run import Run, RunReference
from m3w.pipeline.engine.stage import Part, PartStage, Pool
from m3w.pipeline.engine.stage_io import StageIO

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Ray colours its tracebacks."""
TASKS_PER_SLOT = 2
"""Submitted parts per part that can run: one runs and one waits, so that no worker idles in between."""
SECONDS_BETWEEN_COUNTS = 5.0
"""How often the cluster's resources are counted; machines come and go while a stage runs."""


@dataclass(frozen=True)
class Job:
    """What the attempts at the parts of one stage have in common."""

    run: RunReference
    stage: PartStage
    settings: Any
    """Those of the stage; a worker gets nothing else of the recipe."""
    fingerprint: str
    drops_per_reason: int

    def attempt(self, part: Part, number: int, isolation: Isolation = Isolation.NONE) -> LedgerEntry:
        """Process the part and commit it."""
        started = time.perf_counter()
        attempt = Attempt(Run(*self.run), self.stage.name, part.name, number)
        io = StageIO(attempt, self.stage, part, isolation, self.drops_per_reason)
        try:
            self.stage.process(io, self.settings)
            io.close()
            return attempt.commit(self.fingerprint, part.inputs, time.perf_counter() - started)
        except BaseException:
            with contextlib.suppress(OSError):  # what is left is removed when the run ends
                attempt.discard()
            raise


class Workers(Protocol):
    """Where attempts run."""

    @property
    def at_once(self) -> int:
        """How many attempts to submit at a time."""

    def submit(self, part: Part, number: int, isolation: Isolation) -> Any:
        """Start an attempt; returns Ray's reference to its ledger entry."""

    def free(self, reference: Any) -> None:
        """Note that the attempt has ended."""

    def close(self) -> None:
        """Release the workers at the end of the stage."""


class Tasks:
    """A Ray task for each attempt, which Ray shows as `STAGE/PART`."""

    def __init__(self, job: Job, needs: Needs):
        self._job, self._needs = job, needs
        self._slots, self._counted = 1, float("-inf")

    @property
    def at_once(self) -> int:
        if time.monotonic() - self._counted > SECONDS_BETWEEN_COUNTS:
            resources, self._counted = ray.cluster_resources(), time.monotonic()
            by_cpu = resources.get("CPU", 1) / self._needs.cpus
            by_memory = resources.get("memory", 0) / self._needs.memory_bytes
            self._slots = max(1, int(min(by_cpu, by_memory)))
        return TASKS_PER_SLOT * self._slots

    def submit(self, part: Part, number: int, isolation: Isolation) -> Any:
        task = _attempt.options(
            name=f"{self._job.stage.name}/{part.name}",
            num_cpus=self._needs.cpus,
            memory=self._needs.memory_bytes,
            max_retries=0,  # `Attempts` counts and retries, also after a worker's death
        )
        return task.remote(self._job, part, number, isolation)

    def free(self, reference: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Actors:
    """A pool of actors that run one attempt at a time each; a dead one is replaced."""

    def __init__(self, job: Job, needs: Needs, pool: Pool):
        self._job, self._pool_size = job, pool.actors
        self._options = {"num_cpus": needs.cpus, "memory": needs.memory_bytes, "num_gpus": pool.gpus}
        self._idle = [self._start() for _ in range(pool.actors)]
        self._busy: dict[Any, Any] = {}

    @property
    def at_once(self) -> int:
        return self._pool_size

    def submit(self, part: Part, number: int, isolation: Isolation) -> Any:
        actor = self._idle.pop()
        attempt = actor.attempt.options(name=f"{self._job.stage.name}/{part.name}")
        reference = attempt.remote(self._job, part, number, isolation)
        self._busy[reference] = actor
        return reference

    def free(self, reference: Any) -> None:
        """Return the attempt's actor to the pool, or a new one if it died."""
        actor = self._busy.pop(reference)
        try:
            ray.get(reference)
        except RayActorError:
            actor = self._start()
        except RayError:
            pass  # the attempt failed, but its process lives
        self._idle.append(actor)

    def _start(self) -> Any:
        return _Worker.options(**self._options).remote()  # type: ignore[attr-defined]

    def close(self) -> None:
        for actor in (*self._idle, *self._busy.values()):
            ray.kill(actor)


@ray.remote
class _Worker:
    """An actor of a pool; models that the stage's function loads stay loaded in its process."""

    def attempt(self, job: Job, part: Part, number: int, isolation: Isolation) -> LedgerEntry:
        return job.attempt(part, number, isolation)


@ray.remote  # type: ignore[untyped-decorator]
def _attempt(job: Job, part: Part, number: int, isolation: Isolation) -> LedgerEntry:
    return job.attempt(part, number, isolation)


def is_death(error: RayError) -> bool:
    """Whether the attempt's process or machine died, as opposed to the attempt raising an error."""
    return not isinstance(error, (RayTaskError, RaySystemError))


def cause_of(error: Exception) -> BaseException:
    """The exception that the attempt raised; Ray's own error if it raised none."""
    return getattr(error, "cause", None) or error


def failed_part(stage: str, part: Part, attempts: int, error: Exception) -> FailedPart:
    cause = cause_of(error)
    return FailedPart(
        stage=stage,
        part=part.name,
        inputs=part.inputs,
        attempts=attempts,
        error=f"{type(cause).__name__}: {' '.join(str(cause).split())[:500]}",
        traceback=COLOURS.sub("", str(error))[-20_000:],
    )
