"""Where a build stands: what its driver counts as parts are committed, and how that reads.

The driver says it on its own terminal and, with every heartbeat, in its claim on the run
(`m3w.pipeline.engine.run_lock`), so that `m3w status` has it from the run's folder alone, on any machine.
"""

from __future__ import annotations

import time
from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

RATES = {
    "pages": "pages",
    "documents": "documents",
    "image_references": "image references",
    "image_urls": "image URLs",
    "images": "images",
    "sequences": "sequences",
}
"""Counters whose speed is shown, where a stage has them."""
LONGEST_AT_WORK = 3
"""Parts named as the ones that have been at work longest."""


class PartAtWork(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    seconds: float
    """Since it was handed to Ray, so with what it waited for a machine."""


class StageStanding(BaseModel):
    """One stage of a build. Speeds are of this build, over all of its workers."""

    model_config = ConfigDict(extra="ignore")

    stage: str
    total: int
    done_before: int
    """Parts that an earlier build had committed."""
    done: int = 0
    """Parts that this build committed."""
    failed: int = 0
    tried_again: int = 0
    """Attempts that failed, or died, and were followed by another."""
    seconds: float = 0.0
    """Since this build began the stage, until now or its end."""
    counters: dict[str, int] = Field(default_factory=dict)
    """Of the parts that this build committed."""
    bytes_written: int = 0
    at_work: int = 0
    longest: list[PartAtWork] = Field(default_factory=list)

    @property
    def left(self) -> int:
        return max(0, self.total - self.done_before - self.done - self.failed)

    @property
    def seconds_left(self) -> float | None:
        """If parts go on ending as they did in this build; None before the first one has."""
        ended = self.done + self.failed
        return self.seconds * self.left / ended if ended else None

    @property
    def speeds(self) -> list[str]:
        """Such as `1,204 pages/s`."""
        if not self.done or not self.seconds:
            return []
        per_s = {text: self.counters[name] / self.seconds for name, text in RATES.items() if self.counters.get(name)}
        return [
            *(f"{_figures(speed)} {text}/s" for text, speed in per_s.items()),
            f"{_bytes(self.bytes_written / self.seconds)}/s written",
        ]

    @property
    def counts(self) -> list[str]:
        """Such as `412 of 900 parts`, `3 failed`, `about 14 min left`."""
        ended = self.done_before + self.done
        texts = [f"{ended:,} of {self.total:,} part{'s' if self.total != 1 else ''}"]
        if self.failed:
            texts.append(f"{self.failed:,} failed")
        if self.tried_again:
            texts.append(f"{self.tried_again:,} tried again")
        if self.left and self.seconds_left is not None:
            texts.append(f"about {duration(self.seconds_left)} left")
        return texts


class Standing(BaseModel):
    """The stages that a build has come to, the last of them at work."""

    model_config = ConfigDict(extra="ignore")

    stages: list[StageStanding] = Field(default_factory=list)


class StageClock:
    """Counts one stage as its parts end."""

    def __init__(self, stage: str, total: int, done_before: int):
        self._stage, self._total, self._done_before = stage, total, done_before
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

    def standing(self) -> StageStanding:
        now = self._ended or time.monotonic()
        at_work = {} if self._ended else dict(self._at_work)
        longest = sorted(at_work.items(), key=lambda item: item[1])[:LONGEST_AT_WORK]
        return StageStanding(
            stage=self._stage,
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


def duration(seconds: float) -> str:
    """Such as `40 s`, `14 min`, `2 h 05 min`, `3 d 4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _bytes(count: float) -> str:
    """Such as `12.3 MB`, by powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{_figures(count)} {unit}"
        count /= 1000
    return f"{_figures(count)} GB"


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
