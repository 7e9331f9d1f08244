"""What a run says while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from m3w.pipeline.engine.build_progress import StageClock, Standing
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Says where a stage stands. Written to standard error, so that a command's output stays its own."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._stages: list[StageClock] = []
        self._said = 0.0

    def begin(self, stage: str, *, total: int, done: int) -> None:
        self._stages.append(StageClock(stage, total, done))
        self._bars.start()
        self._task = self._bars.add_task(stage, total=total, completed=done, counts="")
        parts = f"{total} part{'s' if total != 1 else ''}"
        self._say(f"{stage}: {done} of {parts} are done already" if done else f"{stage}: {parts}")
        self._said = time.monotonic()

    def at_work(self, parts: list[str]) -> None:
        """The parts that Ray has now."""
        self._stages[-1].at_work(parts)

    def tried_again(self, part: str, cause: BaseException) -> None:
        """An attempt at the part ended by `cause`, and another follows."""
        self._stages[-1].tried_again += 1

    def advance(self, result: LedgerEntry | FailedPart) -> None:
        stage = self._stages[-1]
        if isinstance(result, FailedPart):
            stage.failed += 1
            self.note(f"{result.stage}: part {result.part} failed {result.attempts} times: {result.error}")
        else:
            stage.done += 1
            stage.counters.update(result.counters)
            stage.bytes_written += sum(output.bytes for output in result.outputs)
        if self._task is not None:
            self._bars.update(self._task, advance=1, counts=" · ".join(self._texts()[1:]))
        if time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._say(f"{stage.standing().stage}: {', '.join(self._texts())}")
            self._said = time.monotonic()

    def end(self, stage: str) -> None:
        self._stages[-1].end()
        self._bars.stop()
        self._say(f"{stage}: done, {', '.join(self._texts())}")

    def standing(self) -> dict[str, Any]:
        """For the driver's claim, see `m3w.pipeline.engine.build_progress.Standing`; called by another thread."""
        return Standing(stages=[clock.standing() for clock in list(self._stages)]).model_dump()

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _texts(self) -> list[str]:
        """The counts of the stage, then its speeds."""
        standing = self._stages[-1].standing()
        return [*standing.counts, *standing.speeds]

    def _say(self, text: str) -> None:
        if not self._console.is_terminal:
            self.note(text)
