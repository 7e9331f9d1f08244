"""The attempts at the parts of one stage: which part runs next, which is retried, which is set aside.

An attempt that raised and one whose process or machine died are counted separately. The second may not be the part's
fault, so such a part gets more attempts, and from then on it runs isolated (`Isolation.APART`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.exceptions import RayError

from m3w.pipeline.engine.attempt import Isolation
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry
from m3w.pipeline.engine.part_queue import PartQueue
from m3w.pipeline.engine.retrying import may_pass
from m3w.pipeline.engine.run import LockLost
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.engine.workers import Workers, cause_of, failed_part, is_death

SECONDS_BETWEEN_CHECKS = 5.0
"""How often to check that the run is still this driver's, and whether a pause before a retry is over."""


class Attempts:
    """The parts of one stage, each tried until it is committed or set aside."""

    def __init__(
        self,
        stage: str,
        parts: list[Part],
        workers: Workers,
        execution: Execution,
        progress: Progress,
        check: Callable[[], None],
    ):
        """`check` is called while parts run; what it raises ends the run."""
        self._stage, self._workers, self._execution = stage, workers, execution
        self._progress, self._check = progress, check
        self._queue = PartQueue(parts)
        self._running: dict[Any, tuple[Part, int]] = {}
        """By Ray's reference: the part and the number of the attempt."""
        self._deaths: Counter[str] = Counter()
        self._isolated: set[str] = set()

    def results(self) -> Iterator[LedgerEntry | FailedPart]:
        """Each part's ledger entry or `FailedPart`, in the order in which they end."""
        while True:
            self._submit()
            self._progress.at_work([part.name for part, _ in self._running.values()])
            pause = self._queue.seconds_to_next
            if not self._running and pause is None:
                return
            timeout_s = SECONDS_BETWEEN_CHECKS if pause is None else min(pause, SECONDS_BETWEEN_CHECKS)
            for reference in self._ended(timeout_s):
                self._workers.free(reference)
                part, number = self._running.pop(reference)
                if (result := self._result(reference, part, number)) is not None:
                    self._queue.done(part)
                    yield result
            self._check()

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
        """The attempt's ledger entry, or the failed part after its last attempt; None if the part is retried."""
        try:
            entry: LedgerEntry = ray.get(reference)
            return entry
        except RayError as error:
            return self._failed(error, part, number)

    def _failed(self, error: RayError, part: Part, number: int) -> FailedPart | None:
        """Queue the part for another attempt, or return it as failed if it has none left."""
        cause, died = cause_of(error), is_death(error)
        if isinstance(cause, LockLost):
            raise cause from error
        self._deaths[part.name] += died
        if died or isinstance(cause, MemoryError):
            self._isolated.add(part.name)
        deaths = self._deaths[part.name]
        failures = number - deaths
        if deaths >= self._execution.deaths or failures >= self._execution.attempts:
            return failed_part(self._stage, part, number, error)
        pause = self._execution.pause_s * 4 ** (failures - 1) if not died and may_pass(cause) else 0.0
        self._queue.again(part, number + 1, pause_s=pause)
        self._progress.tried_again(part.name, cause)
        return None
