"""Runs the stages of a run on Ray, against its ledger.

Parts that are committed are skipped. The rest are submitted a bounded number at a time; a part that fails is retried
(`m3w.pipeline.engine.attempts`) and, after its last attempt, set aside with its traceback while the others continue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import RayError, UserCodeException

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.attempts import Attempts
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.drops import DROPS, Drops
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.inputs import Entries, Inputs, inputs_digest
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry, Output
from m3w.pipeline.engine.ray_start import start_ray
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import ALL, GroupStage, Part, PartStage, Stage, StageFailed
from m3w.pipeline.engine.workers import Actors, Job, Tasks, Workers, failed_part
from m3w.recipes.errors import InputError


class Executor:
    """Runs the stages of one run. The first part that has to run starts Ray, or connects to it."""

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
        """Connect to the cluster at the address (or in RAY_ADDRESS), or start Ray on this machine, unless it runs.

        Raises `m3w.pipeline.engine.ray_start.RayFailed`.
        """
        if not ray.is_initialized():
            # without an address Ray would join the cluster last started on this machine, and end with it
            start_ray(self._address or os.environ.get("RAY_ADDRESS") or "local")

    def check_gpus(self, gpus: float, key: str) -> None:
        """Raises `InputError` if no machine has this many GPUs for one actor: Ray would wait for one forever."""
        if not gpus:
            return
        self.start_ray()
        most = max(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])
        if gpus > most:
            raise InputError(
                f"{key} = {gpus:g}, but the machine with the most GPUs has {most:g}, so no process could start; set "
                "it lower, or use a cluster that has them (--address)"
            )

    def fingerprint(self, stage: Stage, settings: Any) -> str:
        """The stage's fingerprint; for a stage that samples its drops it includes `drops.keep_per_reason`."""
        extra = f" drops {self.drops.keep_per_reason}" if DROPS in stage.writes else ""
        return stage.fingerprint(settings, extra)

    def run_parts(
        self, stage: PartStage, settings: Any, parts: Iterable[Part], committed: Entries | None = None
    ) -> Entries:
        """Run the `parts` that are not committed yet; the entries of all that are in the end, in the order of `parts`.

        `committed` are the stage's entries, where the caller has read them already. Raises `StageFailed` if more than
        `execution.max_failed_parts` were set aside.
        """
        by_name = {part.name: part for part in parts}
        fingerprint = self.fingerprint(stage, settings)
        committed = self.run.entries(stage.name) if committed is None else committed
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
                f"and were set aside; see m3w status {self.run.path}, fix the cause and run the build again, or raise "
                "execution.max_failed_parts"
            )
        return {name: entries[name] for name in by_name if name in entries}

    def run_grouping(
        self, stage: GroupStage, settings: Any, inputs: Inputs, *, part: str = ALL, folder: str | None = None
    ) -> Entries:
        """Run a grouping over `inputs`, unless the ledger has it already; its ledger entry.

        `part` is its name in the ledger and `folder` where its files go, for a stage that groups several times. Raises
        `StageFailed` if it fails: later stages need its result.
        """
        parts, folder = inputs.parts(stage), folder or stage.table.folder
        described = [f"{len(parts)} parts of sha256 {inputs_digest(parts)}"]
        fingerprint = self.fingerprint(stage, settings)
        committed = self.run.entries(stage.name).get(part)
        same = committed and committed.fingerprint == fingerprint and committed.inputs == described
        if committed and same and not self.run.missing_outputs([committed]):
            self.progress.begin(stage.name, total=1, done=1, units=stage.units)
            self.progress.end(stage.name)
            return {part: committed}
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
        """The published files of all groups, with their counters. A failure is recorded under `name`."""
        grouping = Grouping(self.run.reference, stage, stage.shuffle(inputs, settings), folder)
        self.start_ray()
        try:
            return grouping.groups(parts, inputs.bytes(stage), self.execution)
        except (RayError, UserCodeException) as error:
            failed = failed_part(stage.name, Part(name=name, inputs=[f"{len(parts)} parts"]), 1, error)
            self.run.set_aside(failed)
            raise StageFailed(
                f"{stage.name} failed: {failed.error}; see m3w status {self.run.path}, fix the cause and run the build "
                "again"
            ) from error

    def _still_valid(self, stage: PartStage, fingerprint: str, parts: dict[str, Part], entries: Entries) -> Entries:
        """The committed entries that still match recipe and inputs; the others are removed from the ledger."""
        valid = {
            name: entry
            for name, entry in entries.items()
            if name in parts and entry.fingerprint == fingerprint and entry.inputs == parts[name].inputs
        }
        missing = self.run.missing_outputs(valid.values())
        valid = {name: entry for name, entry in valid.items() if name not in missing}
        stale = [] if stage.incremental else [entry for name, entry in entries.items() if name not in valid]
        if stale:
            self.progress.note(f"{stage.name}: {len(stale)} parts run again, since their recipe or inputs changed")
        self._remove(stage.name, stale, valid)
        for name in self.run.failures(stage.name):
            if name in parts or not stage.incremental:
                self.run.remove(f"ledger/{stage.name}/failed/{name}.json")
        return valid

    def forget(self, stage: PartStage, planned: Iterable[str], entries: Entries) -> None:
        """Remove a stage's parts that are not `planned`, from the ledger (`entries`) and with their files."""
        planned = set(planned)
        stale = [entry for name, entry in entries.items() if name not in planned]
        self._remove(stage.name, stale, {name: entry for name, entry in entries.items() if name in planned})
        for name in self.run.failures(stage.name).keys() - planned:
            self.run.remove(f"ledger/{stage.name}/failed/{name}.json")

    def remove_stage(self, name: str) -> None:
        """Remove everything that a stage wrote, because the recipe no longer has the stage."""
        for entry in self.run.entries(name).values():
            for output in entry.outputs:
                self.run.remove(output.path)
        self.run.remove(f"ledger/{name}")

    def _remove(self, stage: str, stale: list[LedgerEntry], valid: Entries) -> None:
        kept = {output.path for entry in valid.values() for output in entry.outputs}
        for entry in stale:
            self.run.remove(f"ledger/{stage}/{entry.part}.json")
            for output in entry.outputs:
                if output.path not in kept:
                    self.run.remove(output.path)

    def _results(
        self, stage: PartStage, settings: Any, fingerprint: str, parts: list[Part]
    ) -> Iterator[LedgerEntry | FailedPart]:
        """Each part's ledger entry or `FailedPart`, in the order in which they end."""
        if not parts:
            return
        self.start_ray()
        self._check_needs(stage.name)
        job = Job(self.run.reference, stage, settings, fingerprint, self.drops.keep_per_reason)
        needs = self.execution.of(stage.name)
        workers: Workers = Tasks(job, needs) if stage.pool is None else Actors(job, needs, stage.pool(settings))
        try:
            attempts = Attempts(stage.name, parts, workers, self.execution, self.progress, self._check)
            yield from attempts.results()
        finally:
            workers.close()

    def _check_needs(self, stage: str) -> None:
        """Check that some machine has what a part needs; Ray would wait for one forever. A cluster may still get one.

        Raises `InputError` if Ray runs on this machine alone.
        """
        needs = self.execution.of(stage)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(m.get("CPU", 0) >= needs.cpus and m.get("memory", 0) >= needs.memory_bytes for m in machines):
            return
        demand = f"a part of {stage} asks for {needs.cpus:g} CPUs and {needs.memory_bytes >> 20:,} MiB"
        if self._address or os.environ.get("RAY_ADDRESS"):
            self.progress.note(f"{demand}, and no machine of the cluster has that yet; waiting for one")
            return
        raise InputError(
            f"{demand}, and this machine has {machines[0].get('CPU', 0):g} CPUs and "
            f"{int(machines[0].get('memory', 0)) >> 20:,} MiB for Ray, so none could start; lower "
            f"execution.stages.{stage} or execution.cpus_per_part and memory_mib_per_part"
        )
