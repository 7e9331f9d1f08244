"""What a run says while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from pipeline.ledger import FailedPart, LedgerEntry

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Says where a stage stands. Written to standard error, so that a command's output stays its own."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._stage, self._total, self._done, self._failed, self._said = "", 0, 0, 0, 0.0

    def begin(self, stage: str, *, total: int, done: int) -> None:
        self._stage, self._total, self._done, self._failed = stage, total, done, 0
        self._bars.start()
        self._task = self._bars.add_task(stage, total=total, completed=done, counts="")
        self._say(f"{stage}: {done} of {total} parts are done already" if done else f"{stage}: {total} parts")
        self._said = time.monotonic()

    def advance(self, result: LedgerEntry | FailedPart) -> None:
        self._done += 1
        if isinstance(result, FailedPart):
            self._failed += 1
            self.note(f"{result.stage}: part {result.part} failed {result.attempts} times: {result.error}")
        if self._task is not None:
            self._bars.update(self._task, advance=1, counts=f"{self._failed} failed" if self._failed else "")
        if time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._say(f"{self._stage}: {self._done} of {self._total} parts")
            self._said = time.monotonic()

    def end(self, stage: str) -> None:
        self._bars.stop()
        self._say(f"{stage}: done, {self._done - self._failed} of {self._total} parts")

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        if not self._console.is_terminal:
            self.note(text)
