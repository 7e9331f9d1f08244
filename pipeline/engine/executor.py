"""Parts on Ray: all tasks are submitted here.

Committed parts are passed over, the rest are submitted a bounded number at a time; a part that fails is tried again
and, after its last attempt, set aside with its traceback while the others go on. An attempt that raised and one whose
process
or machine died are counted apart: the second may be no fault of the part, so it has more tries, and is isolated from
then on (`Isolation.APART`).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import RayError, UserCodeException

from m3w.pipeline.engine.attempt import Attempt, Isolation
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.drops import DROPS, Drops
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.inputs import Entries, Inputs, inputs_digest
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry, Output
from m3w.pipeline.engine.part_queue import PartQueue
from m3w.pipeline.engine.ray_start import start_ray
from m3w.pipeline.engine.retrying import may_pass
from m3w.pipeline.engine.run import LockLost, Run
from m3w.pipeline.engine.stage import ALL, GroupStage, Part, PartStage, Stage, StageFailed
from m3w.pipeline.engine.workers import Actors, Job, Tasks, Workers, cause_of, failed_part, is_death
from m3w.recipes.errors import InputError

SECONDS_BETWEEN_LOOKS = 5.0
"""At whether the run is still this driver's, and at what waits for its next attempt."""


class Executor:
    """Runs the stages of one run. Ray is started, or connected to, by the first part that needs it."""

    def __init__(
        self,
        run: Run,
        execution: Execution,
        progress: Progress,
        *,
        drops: Drops | None = None,
        address: str | None = None,
        check: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """`check` is called while parts run; what it raises ends the run."""
        self.run, self.execution, self.progress = run, execution, progress
        self.drops = drops or Drops()
        self._address, self._check, self.now = address, check, now

    def start_ray(self) -> None:
        """Connect to the cluster at the address (or in RAY_ADDRESS), or start Ray on this machine. Twice is once.

        Raises `m3w.pipeline.engine.ray_start.RayFailed`.
        """
        if not ray.is_initialized():
            # without an address Ray would join whatever cluster was last started on this machine, and end with it
            start_ray(self._address or os.environ.get("RAY_ADDRESS") or "local")

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

    def fingerprint(self, stage: Stage, settings: Any) -> str:
        """The stage's fingerprint; it holds how many examples of drops are kept, where the stage keeps some."""
        extra = f" drops {self.drops.keep_per_reason}" if DROPS in stage.writes else ""
        return stage.fingerprint(settings, extra)

    def run_parts(
        self, stage: PartStage, settings: Any, parts: Iterable[Part], known: dict[str, LedgerEntry] | None = None
    ) -> dict[str, LedgerEntry]:
        """The ledger entries of all `parts` that are committed in the end, in the order of `parts`.

        `known` are the stage's entries where the caller has read them already. Raises `StageFailed` if more than
        `execution.max_failed_parts` were set aside.
        """
        by_name = {part.name: part for part in parts}
        fingerprint = self.fingerprint(stage, settings)
        committed = self.run.entries(stage.name) if known is None else known
        entries = self._still_valid(stage, fingerprint, by_name, committed)
        missing = [part for name, part in by_name.items() if name not in entries]
        self.progress.begin(stage.name, total=len(by_name), done=len(entries), units=stage.units)
        failed = 0
        for result in self._results(stage, settings, fingerprint, missing):
            if isinstance(result, LedgerEntry):
                entries[result.part] = result
            else:
                self.run.set_aside(result)
                failed += 1
            self.progress.advance(result)
        self.progress.end(stage.name)
        if failed > self.execution.max_failed_parts:
            raise StageFailed(
                f"{failed} of {len(by_name)} parts of {stage.name} failed {self.execution.attempts} times each "
                f"and were set aside; see m3w status {self.run.path}, mend the cause and build again, or raise "
                "execution.max_failed_parts"
            )
        return {name: entries[name] for name in by_name if name in entries}

    def run_grouping(
        self, stage: GroupStage, settings: Any, inputs: Inputs, *, part: str = ALL, folder: str | None = None
    ) -> Entries:
        """The ledger entry of a grouping over what `inputs` holds; taken from the ledger, or made.

        `part` is its name in the ledger and `folder` where its files go, for a stage that groups several times. Raises
        `StageFailed`: no later stage can do without a grouping.
        """
        parts, folder = inputs.parts(stage), folder or stage.table.folder
        described = [f"{len(parts)} parts of sha256 {inputs_digest(parts)}"]
        fingerprint = self.fingerprint(stage, settings)
        known = self.run.entries(stage.name).get(part)
        same = known and known.fingerprint == fingerprint and known.inputs == described
        if known and same and not self.run.missing_outputs([known]):
            self.progress.begin(stage.name, total=1, done=1, units=stage.units)
            self.progress.end(stage.name)
            return {part: known}
        self.progress.begin(stage.name, total=1, done=0, units=stage.units)
        self.run.remove(f"ledger/{stage.name}/{part}.json")
        self.run.remove(folder)
        started = time.perf_counter()
        attempt = Attempt(self.run, stage.name, part)
        for output, counters in self._groups(stage, settings, inputs, parts, folder, part):
            attempt.add_published(output)
            attempt.counters.update(counters)
        entry = attempt.commit(fingerprint, described, time.perf_counter() - started)
        self.run.remove(f"ledger/{stage.name}/failed/{part}.json")
        self.progress.advance(entry)
        self.progress.end(stage.name)
        return {part: entry}

    def _groups(
        self, stage: GroupStage, settings: Any, inputs: Inputs, parts: list[Part], folder: str, name: str
    ) -> list[tuple[Output, dict[str, int]]]:
        """Every group's published files with its counters. A failure is set aside under `name`, with its traceback."""
        grouping = Grouping(self.run.reference, stage, stage.shuffle(inputs, settings), folder)
        self.start_ray()
        try:
            return grouping.groups(parts, inputs.bytes(stage), self.execution)
        except (RayError, UserCodeException) as error:
            failed = failed_part(stage.name, Part(name=name, inputs=[f"{len(parts)} parts"]), 1, error)
            self.run.set_aside(failed)
            raise StageFailed(
                f"{stage.name} failed: {failed.error}; see m3w status {self.run.path}, mend the cause, build again"
            ) from error

    def _still_valid(
        self, stage: PartStage, fingerprint: str, parts: dict[str, Part], entries: dict[str, LedgerEntry]
    ) -> dict[str, LedgerEntry]:
        """Committed entries that this recipe would make again; the others are taken out of the ledger first."""
        valid = {
            name: entry
            for name, entry in entries.items()
            if name in parts and entry.fingerprint == fingerprint and entry.inputs == parts[name].inputs
        }
        missing = self.run.missing_outputs(valid.values())
        valid = {name: entry for name, entry in valid.items() if name not in missing}
        stale = [] if stage.incremental else [entry for name, entry in entries.items() if name not in valid]
        if stale:
            self.progress.note(f"{stage.name}: {len(stale)} parts are redone: their recipe or inputs changed")
        self._take_out(stage.name, stale, valid)
        for name in self.run.failures(stage.name):
            if name in parts or not stage.incremental:
                self.run.remove(f"ledger/{stage.name}/failed/{name}.json")
        return valid

    def forget(self, stage: PartStage, planned: Iterable[str], entries: dict[str, LedgerEntry]) -> None:
        """Take all that a stage kept, but for the `planned` parts, out of the ledger (`entries`) and out of the run."""
        planned = set(planned)
        stale = [entry for name, entry in entries.items() if name not in planned]
        self._take_out(stage.name, stale, {name: entry for name, entry in entries.items() if name in planned})
        for name in self.run.failures(stage.name).keys() - planned:
            self.run.remove(f"ledger/{stage.name}/failed/{name}.json")

    def remove_stage(self, name: str) -> None:
        """Take all that a stage made, which the recipe no longer has, out of the run."""
        for entry in self.run.entries(name).values():
            for output in entry.outputs:
                self.run.remove(output.path)
        self.run.remove(f"ledger/{name}")

    def _take_out(self, stage: str, stale: list[LedgerEntry], valid: dict[str, LedgerEntry]) -> None:
        kept = {output.path for entry in valid.values() for output in entry.outputs}
        for entry in stale:
            self.run.remove(f"ledger/{stage}/{entry.part}.json")
            for output in entry.outputs:
                if output.path not in kept:
                    self.run.remove(output.path)

    def _results(
        self, stage: PartStage, settings: Any, fingerprint: str, parts: list[Part]
    ) -> Iterator[LedgerEntry | FailedPart]:
        """Each part's ledger entry or `FailedPart`, as they come."""
        if not parts:
            return
        self.start_ray()
        self._check_needs(stage.name)
        job = Job(self.run.reference, stage, settings, fingerprint, self.drops.keep_per_reason)
        needs = self.execution.of(stage.name)
        workers: Workers = Tasks(job, needs) if stage.pool is None else Actors(job, needs, stage.pool(settings))
        try:
            yield from _Attempts(stage, parts, workers, self).results()
        finally:
            workers.close()

    def _check_needs(self, stage: str) -> None:
        """Ray would wait for ever for a machine that has what a part asks for. A cluster may still get one."""
        needs = self.execution.of(stage)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(m.get("CPU", 0) >= needs.cpus and m.get("memory", 0) >= needs.memory_bytes for m in machines):
            return
        asked = f"a part of {stage} asks for {needs.cpus:g} CPUs and {needs.memory_bytes >> 20:,} MiB"
        if self._address or os.environ.get("RAY_ADDRESS"):
            self.progress.note(f"{asked}, and no machine of the cluster has that yet; waiting for one")
            return
        raise InputError(
            f"{asked}, and this machine has {machines[0].get('CPU', 0):g} CPUs and "
            f"{int(machines[0].get('memory', 0)) >> 20:,} MiB for Ray, so none could start; lower "
            f"execution.stages.{stage} or execution.cpus_per_part and memory_mib_per_part"
        )

    def check(self) -> None:
        """Raises what ends the run."""
        self._check()


class _Attempts:
    """The parts of one stage, each tried until it is committed or set aside."""

    def __init__(self, stage: PartStage, parts: list[Part], workers: Workers, executor: Executor):
        self._stage, self._workers, self._executor = stage, workers, executor
        self._execution = executor.execution
        self._queue = PartQueue(parts)
        self._running: dict[Any, tuple[Part, int]] = {}
        self._deaths: Counter[str] = Counter()
        self._isolated: set[str] = set()

    def results(self) -> Iterator[LedgerEntry | FailedPart]:
        while True:
            self._submit()
            self._executor.progress.at_work([part.name for part, _ in self._running.values()])
            pause = self._queue.seconds_to_next
            if not self._running and pause is None:
                return
            longest = SECONDS_BETWEEN_LOOKS if pause is None else min(pause, SECONDS_BETWEEN_LOOKS)
            for reference in self._ended(longest):
                self._workers.free(reference)
                part, number = self._running.pop(reference)
                if (result := self._result(reference, part, number)) is not None:
                    self._queue.done(part)
                    yield result
            self._executor.check()

    def _submit(self) -> None:
        while len(self._running) < self._workers.at_once and (taken := self._queue.take()):
            part, number = taken
            isolation = Isolation.APART if part.name in self._isolated else Isolation.WATCHED
            self._running[self._workers.submit(part, number, isolation)] = taken

    def _ended(self, timeout_s: float) -> list[Any]:
        if not self._running:
            time.sleep(timeout_s)
            return []
        ended: list[Any] = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)[0]
        return ended

    def _result(self, reference: Any, part: Part, number: int) -> LedgerEntry | FailedPart | None:
        """The attempt's ledger entry, or what sets its part aside; None if the part waits for another attempt."""
        try:
            entry: LedgerEntry = ray.get(reference)
            return entry
        except RayError as error:
            cause = cause_of(error)
            if isinstance(cause, LockLost):
                raise cause from error
            died = is_death(error)
            self._deaths[part.name] += died
            if died or isinstance(cause, MemoryError):
                self._isolated.add(part.name)
            deaths = self._deaths[part.name]
            failures = number - deaths
            if deaths >= self._execution.deaths or failures >= self._execution.attempts:
                return failed_part(self._stage.name, part, number, error)
            pause = self._execution.pause_s * 4 ** (failures - 1) if not died and may_pass(cause) else 0.0
            self._queue.again(part, number + 1, pause_s=pause)
            self._executor.progress.tried_again(part.name, cause)
            return None
