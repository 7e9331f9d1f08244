"""The build that is at work on a run, as it says itself in its lock entry; one listing and one small file read."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from m3w.pipeline.engine.build_progress import BuildProgress
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.run_lock import HOLDING, LockEntry, is_dead, lock_entries

SILENT_BEATS = 3
"""Heartbeats that a driver may miss, because the store is slow, before it counts as gone."""


class DriverStatus(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    pid: int
    began_at: datetime
    silent_s: float
    """Seconds since its last heartbeat, by this machine's clock."""
    gone: bool
    """It ended without releasing the run, or has missed several heartbeats."""
    progress: BuildProgress


def driver_status(run: Run, now: datetime | None = None) -> DriverStatus | None:
    """The driver that holds the run, or the last one that never released it; None if there is none."""
    holding = [entry for entry in lock_entries(run).values() if entry.state == HOLDING]
    if not holding:
        return None
    entry = max(holding, key=lambda entry: entry.beat_at)
    silent_s = max(0.0, ((now or datetime.now(UTC)) - entry.beat_at).total_seconds())
    return DriverStatus(
        host=entry.host,
        pid=entry.pid,
        began_at=entry.began_at,
        silent_s=silent_s,
        gone=is_dead(entry.host, entry.pid, entry.process) or silent_s > SILENT_BEATS * entry.every_s,
        progress=_progress(entry),
    )


def _progress(entry: LockEntry) -> BuildProgress:
    try:
        return BuildProgress.model_validate(entry.progress)
    except ValidationError:  # of another version's build
        return BuildProgress()
