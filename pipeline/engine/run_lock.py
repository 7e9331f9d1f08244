"""The lock of a run: one driver at a time, by claims in the run's folder with a heartbeat.

It asks of a store only that a file once written is listed and read by everyone, which local disks, NFS with its
attribute cache off, S3, GCS and Azure hold to. No clock of one machine is compared with another's.

1. A driver writes its claim, `drivers/ID.json`, which says `asking`, and lists the claims.
2. A claim whose process is known to be dead (of this machine), or that did not change while we watched it for
   `driver_timeout_s`, is taken over: `drivers/ID.taken` is written for good, then the claim is removed.
3. While another claim lives that holds the run, the driver gives up: `RunInUse`. Of two that ask, the younger does.
4. When a listing made after the claim was written shows no other, the driver holds the run, and says so in its claim.
   Two cannot both see none: the one that wrote last sees the other.

The holder writes its claim anew every few seconds, with how the run stands (`m3w status` reads it there). Who was taken
for dead and is not (a machine that slept) finds `ID.taken`: its attempts before they commit (`Run.check_lock`), its
driver at the next heartbeat. What is left open and why it does no harm: docs/decisions/one-driver.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from m3w.pipeline.engine.run import DRIVERS, LockLost, Run
from m3w.recipes.errors import InputError

BEATS_IN_TIMEOUT = 12
"""Heartbeats in the time after which a driver is taken for dead."""
ASKING, HOLDING = "asking", "holding"
STANDS_STILL = (
    "gave no sign of life for that long; if it stands still on the same Ray cluster, end it, since Ray leaves it the "
    "CPUs that it has"
)


class RunInUse(InputError):
    """Another build is at work on the run."""


class LockEntry(BaseModel):
    """What a driver says of itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    driver: str
    state: str
    host: str
    pid: int
    process: str | None = None
    """Names the process among all of all machines; None where the system cannot tell."""
    began_at: datetime
    beat: int
    beat_at: datetime
    """By the driver's own clock."""
    every_s: float
    """Seconds from one heartbeat to the next."""
    progress: dict[str, Any] = Field(default_factory=dict)
    """How the run stands, see `m3w.pipeline.engine.build_progress.BuildProgress`."""


@contextmanager
def locked(
    run: Run, timeout_s: float, progress: Callable[[], dict[str, Any]], note: Callable[[str], None]
) -> Iterator[RunLock]:
    """Hold the run; `progress` is asked at every heartbeat, `note` told what is waited for. Raises `RunInUse`."""
    lock = RunLock(run, timeout_s, progress)
    lock.take(note)
    try:
        yield lock
    finally:
        lock.release()


def lock_entries(run: Run) -> dict[str, LockEntry]:
    """The claims that stand on a run, by driver; one that cannot be read (any more) is passed over."""
    names = run.names(DRIVERS)
    taken = {name.removesuffix(".taken") for name in names if name.endswith(".taken")}
    entries = {}
    for name in names:
        if name.endswith(".json") and name.removesuffix(".json") not in taken:
            with contextlib.suppress(FileNotFoundError, ValueError):
                claim = LockEntry.model_validate_json(run.read(name))
                entries[claim.driver] = claim
    return entries


@dataclass
class RunLock:
    """A driver's hold on a run."""

    run: Run
    timeout_s: float
    progress: Callable[[], dict[str, Any]]
    driver: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}")
    lost: bool = False
    _beat: int = 0
    _state: str = ASKING

    def __post_init__(self) -> None:
        self._host, self._pid, self._process = own_process()
        self._began = datetime.now(UTC)
        self._every = self.timeout_s / BEATS_IN_TIMEOUT
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name="run lock", daemon=True)

    def take(self, note: Callable[[str], None]) -> Self:
        """Come to hold the run. Raises `RunInUse`."""
        watched: dict[str, tuple[int, float]] = {}
        try:
            while True:
                self._write()
                others = {name: claim for name, claim in lock_entries(self.run).items() if name != self.driver}
                if not others:
                    break
                for other in others.values():
                    self._judge(other, watched, note)
                self._over.wait(min(self._every, 1.0))
            self.run.lock = self.driver
            self.run.check_lock()
        except BaseException:
            self.run.remove(self._name)
            raise
        self._state = HOLDING
        self._write()
        self._thread.start()
        return self

    def _judge(self, other: LockEntry, watched: dict[str, tuple[int, float]], note: Callable[[str], None]) -> None:
        """Take a dead claim over, give up before a living one, or wait for what it turns out to be."""
        now, who = time.monotonic(), f"a build by process {other.pid} on {other.host}"
        dead = is_dead(other.host, other.pid, other.process)
        if other.driver not in watched:
            watched[other.driver] = (other.beat, now)
            if not dead:
                note(f"{who} has not said that it ended; waiting up to {self.timeout_s:g} s for a sign of life")
        beat, since = watched[other.driver]
        if dead or (other.beat == beat and now - since > self.timeout_s):
            note(f"taking over from {who}, which {'is gone' if dead else STANDS_STILL}")
            self._take_over(other)
        elif other.beat != beat:
            watched[other.driver] = (other.beat, now)
            if other.state == HOLDING or other.driver < self.driver:
                raise RunInUse(
                    f"{self.run.path} is in use: {who} has been at work on it since {other.began_at:%Y-%m-%d %H:%M:%S} "
                    "UTC, and two would undo each other's work; wait for it (m3w status --watch), or end it first"
                )

    def _take_over(self, other: LockEntry) -> None:
        self.run.write(f"{DRIVERS}/{other.driver}.taken", json.dumps({"by": self.driver}) + "\n")
        self.run.remove(f"{DRIVERS}/{other.driver}.json")

    def check(self) -> None:
        """Raises `m3w.pipeline.engine.run.LockLost` once the heartbeat has found that another driver took the run
        over."""
        if self.lost:
            self.run.check_lock()

    def release(self) -> None:
        """The driver is done with the run."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(OSError):  # else it is taken over, as of a driver that died
            self.run.remove(self._name)

    @property
    def _name(self) -> str:
        return f"{DRIVERS}/{self.driver}.json"

    def _keep_beating(self) -> None:
        while not self._over.wait(self._every):
            try:
                self.run.check_lock()
                self._write()
            except LockLost:
                self.lost = True
                return
            except OSError:
                continue  # the store is in trouble; the next heartbeat tells

    def _write(self) -> None:
        self._beat += 1
        content = LockEntry(
            driver=self.driver,
            state=self._state,
            host=self._host,
            pid=self._pid,
            process=self._process,
            began_at=self._began,
            beat=self._beat,
            beat_at=datetime.now(UTC),
            every_s=self._every,
            progress=self.progress(),
        )
        self.run.write(self._name, content.model_dump_json(), DRIVERS)  # `tmp` is removed while the heart beats


def own_process() -> tuple[str, int, str | None]:
    """Host, process id, and the name of this process; no name where the system has no /proc."""
    return socket.gethostname(), os.getpid(), _name(os.getpid())


def is_dead(host: str, pid: int, name: str | None) -> bool:
    """Whether the process is known to be gone; False for one of another machine or container."""
    own = _name(os.getpid())
    if name is None or own is None or host != socket.gethostname() or _machine(name) != _machine(own):
        return False
    return _name(pid) != name


def _name(pid: int) -> str | None:
    """Boot, namespace of process ids, process id, and when it began (in ticks since the boot)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if status[0] in "ZX" else f"{boot} {namespace} {pid} {status[19]}"


def _machine(name: str) -> str:
    return " ".join(name.split()[:2])
