"""The progress of a build: counted by its driver as parts are committed, and shown on the terminal.

With every heartbeat the driver also writes it to its entry in the run's lock (`m3w.pipeline.engine.run_lock`), so that
`m3w status` can show it on any machine, from the run's folder alone.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry

SECONDS_BETWEEN_LINES = 10.0
LONGEST_AT_WORK = 3
"""Number of running parts that are named, those that have run longest."""


class PartAtWork(BaseModel):
    """A running part."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    seconds: float
    """Since it was submitted to Ray; includes the time that it waited for a machine."""


class StageProgress(BaseModel):
    """One stage of a build. Rates are those of this build, over all of its workers."""

    model_config = ConfigDict(extra="ignore")

    stage: str
    units: list[str] = Field(default_factory=list)
    """Counters whose rate is shown."""
    total: int
    done_before: int
    """Parts that an earlier build committed."""
    done: int = 0
    """Parts that this build committed."""
    failed: int = 0
    tried_again: int = 0
    """Attempts that failed or died and were retried."""
    seconds: float = 0.0
    """From when this build began the stage until now, or until the stage ended."""
    counters: dict[str, int] = Field(default_factory=dict)
    """Counters of the parts that this build committed."""
    bytes_written: int = 0
    at_work: int = 0
    longest: list[PartAtWork] = Field(default_factory=list)

    @property
    def left(self) -> int:
        return max(0, self.total - self.done_before - self.done - self.failed)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the parts that have ended in this build; None before the first one has."""
        ended = self.done + self.failed
        return self.seconds * self.left / ended if ended else None

    @property
    def rates(self) -> list[str]:
        """For example `1,204 pages/s`."""
        if not self.done or not self.seconds:
            return []
        counts = {unit: self.counters[unit] for unit in self.units if self.counters.get(unit)}
        return [
            *(f"{_figures(count / self.seconds)} {_words(unit)}/s" for unit, count in counts.items()),
            f"{_bytes(self.bytes_written / self.seconds)}/s written",
        ]

    @property
    def counts(self) -> list[str]:
        """For example `412 of 900 parts`, `3 failed`, `about 14 min left`."""
        ended = self.done_before + self.done
        texts = [f"{ended:,} of {self.total:,} part{'s' if self.total != 1 else ''}"]
        if self.failed:
            texts.append(f"{self.failed:,} failed")
        if self.tried_again:
            texts.append(f"{self.tried_again:,} tried again")
        if self.left and self.seconds_left is not None:
            texts.append(f"about {duration(self.seconds_left)} left")
        return texts


class BuildProgress(BaseModel):
    """The stages that a build has begun; the last one is running."""

    model_config = ConfigDict(extra="ignore")

    stages: list[StageProgress] = Field(default_factory=list)


class StageClock:
    """Counts the parts of one stage as they end, and measures its time."""

    def __init__(self, stage: str, units: tuple[str, ...], total: int, done_before: int):
        self.stage, self._units, self._total, self._done_before = stage, units, total, done_before
        self._began = time.monotonic()
        self._ended: float | None = None
        self.done = self.failed = self.tried_again = self.bytes_written = 0
        self.counters: Counter[str] = Counter()
        self._at_work: dict[str, float] = {}

    def at_work(self, names: list[str]) -> None:
        now = time.monotonic()
        self._at_work = {name: self._at_work.get(name, now) for name in names}

    def end(self) -> None:
        self._ended = time.monotonic()

    def progress(self) -> StageProgress:
        now = self._ended or time.monotonic()
        at_work = {} if self._ended else dict(self._at_work)
        longest = sorted(at_work.items(), key=lambda item: item[1])[:LONGEST_AT_WORK]
        return StageProgress(
            stage=self.stage,
            units=list(self._units),
            total=self._total,
            done_before=self._done_before,
            done=self.done,
            failed=self.failed,
            tried_again=self.tried_again,
            seconds=round(now - self._began, 1),
            counters=dict(self.counters),
            bytes_written=self.bytes_written,
            at_work=len(at_work),
            longest=[PartAtWork(name=name, seconds=round(now - since, 1)) for name, since in longest],
        )


class Progress:
    """Shows the progress on standard error: a progress bar on a terminal, plain lines elsewhere."""

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
        self._last_line = 0.0

    def begin(self, stage: str, *, total: int, done: int, units: tuple[str, ...] = ()) -> None:
        self._stages.append(StageClock(stage, units, total, done))
        self._bars.start()
        self._task = self._bars.add_task(stage, total=total, completed=done, counts="")
        parts = f"{total} part{'s' if total != 1 else ''}"
        self._say(f"{stage}: {done} of {parts} are done already" if done else f"{stage}: {parts}")
        self._last_line = time.monotonic()

    def at_work(self, parts: list[str]) -> None:
        """Note the parts that are submitted to Ray now."""
        self._stages[-1].at_work(parts)

    def tried_again(self, part: str, cause: BaseException) -> None:
        """Note that an attempt at the part failed with `cause` and is retried."""
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
        if time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._say(f"{stage.stage}: {', '.join(self._texts())}")
            self._last_line = time.monotonic()

    def end(self, stage: str) -> None:
        self._stages[-1].end()
        self._bars.stop()
        self._say(f"{stage}: done, {', '.join(self._texts())}")

    def state(self) -> dict[str, Any]:
        """A `BuildProgress` for the driver's entry in the lock; called by another thread."""
        return BuildProgress(stages=[clock.progress() for clock in list(self._stages)]).model_dump()

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _texts(self) -> list[str]:
        """The counts of the stage, then its rates."""
        stage = self._stages[-1].progress()
        return [*stage.counts, *stage.rates]

    def _say(self, text: str) -> None:
        if not self._console.is_terminal:
            self.note(text)


def duration(seconds: float) -> str:
    """For example `40 s`, `14 min`, `2 h 05 min`, `3 d 4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _bytes(count: float) -> str:
    """For example `12.3 MB`, by powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{_figures(count)} {unit}"
        count /= 1000
    return f"{_figures(count)} GB"


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _words(counter: str) -> str:
    """A counter's name in words: `image URLs`."""
    return counter.replace("_", " ").replace("url", "URL")
