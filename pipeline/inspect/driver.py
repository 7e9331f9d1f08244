"""The build that is at work on a run, as it says itself in its claim; one listing and one small file read."""

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
    holding = [claim for claim in lock_entries(run).values() if claim.state == HOLDING]
    if not holding:
        return None
    claim = max(holding, key=lambda claim: claim.beat_at)
    silent_s = max(0.0, ((now or datetime.now(UTC)) - claim.beat_at).total_seconds())
    return DriverStatus(
        host=claim.host,
        pid=claim.pid,
        began_at=claim.began_at,
        silent_s=silent_s,
        gone=is_dead(claim.host, claim.pid, claim.process) or silent_s > SILENT_BEATS * claim.every_s,
        progress=_progress(claim),
    )


def _progress(claim: LockEntry) -> BuildProgress:
    try:
        return BuildProgress.model_validate(claim.progress)
    except ValidationError:  # of another version's build
        return BuildProgress()
