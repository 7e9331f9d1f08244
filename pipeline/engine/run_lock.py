"""The lock of a run: one driver at a time, through entries with a heartbeat in the run's folder.

The only requirement on the store is that a file, once written, is visible to everyone who lists or reads. Local disks,
NFS with its attribute cache off, S3, GCS and Azure guarantee this. Clocks of different machines are never compared.

1. A driver writes its entry, `drivers/ID.json`, in state `asking`, and lists the entries.
2. An entry is taken over if its process is known to be dead (on this machine), or if it did not change while this
   driver watched it for `driver_timeout_s`: `drivers/ID.taken` is written, for good, then the entry is removed.
3. If another live driver holds the run, this one gives up: `RunInUse`. Of two that are asking, the younger gives up.
4. If a listing made after the driver wrote its entry shows no other, the driver holds the run and sets its state.
   Two drivers cannot both see no other: the one that wrote last sees the first.

The holder rewrites its entry every few seconds, with the progress of the run (`m3w status` reads it there). A driver
that was considered dead but is not (its machine slept) finds `ID.taken`: its attempts before they commit
(`Run.check_lock`), the driver itself at its next heartbeat. The remaining race and why it is harmless:
docs/decisions/one-driver.md.
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
"""Heartbeats in the time after which a driver is considered dead."""
ASKING, HOLDING = "asking", "holding"
NO_HEARTBEAT = (
    "sent no heartbeat for that long; if it hangs on the same Ray cluster, kill it, since it still occupies its CPUs"
)


class RunInUse(InputError):
    """Another build is running on the run."""


class LockEntry(BaseModel):
    """A driver's entry in the lock."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    driver: str
    state: str
    host: str
    pid: int
    process: str | None = None
    """Identifies the process on all machines; None if the system does not provide it."""
    began_at: datetime
    beat: int
    beat_at: datetime
    """On the driver's own clock."""
    every_s: float
    """Seconds from one heartbeat to the next."""
    progress: dict[str, Any] = Field(default_factory=dict)
    """A `m3w.pipeline.engine.build_progress.BuildProgress`."""


@contextmanager
def locked(
    run: Run, timeout_s: float, progress: Callable[[], dict[str, Any]], note: Callable[[str], None]
) -> Iterator[RunLock]:
    """Hold the run's lock. Raises `RunInUse`.

    `progress` is called at every heartbeat; `note` gets messages on what the driver waits for.
    """
    lock = RunLock(run, timeout_s, progress)
    lock.take(note)
    try:
        yield lock
    finally:
        lock.release()


def lock_entries(run: Run) -> dict[str, LockEntry]:
    """The entries in a run's lock, by driver; one that cannot be read (any more) is skipped."""
    names = run.names(DRIVERS)
    taken = {name.removesuffix(".taken") for name in names if name.endswith(".taken")}
    entries = {}
    for name in names:
        if name.endswith(".json") and name.removesuffix(".json") not in taken:
            with contextlib.suppress(FileNotFoundError, ValueError):
                entry = LockEntry.model_validate_json(run.read(name))
                entries[entry.driver] = entry
    return entries


@dataclass
class RunLock:
    """The lock of a run, as one driver holds it."""

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
        """Acquire the lock. Raises `RunInUse`."""
        watched: dict[str, tuple[int, float]] = {}
        try:
            while True:
                self._write()
                others = {name: entry for name, entry in lock_entries(self.run).items() if name != self.driver}
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
        """Take over a dead driver's entry, give up if the driver lives, or keep watching it."""
        now, who = time.monotonic(), f"a build by process {other.pid} on {other.host}"
        dead = is_dead(other.host, other.pid, other.process)
        if other.driver not in watched:
            watched[other.driver] = (other.beat, now)
            if not dead:
                note(f"{who} has not released the run; waiting up to {self.timeout_s:g} s for its heartbeat")
        beat, since = watched[other.driver]
        if dead or (other.beat == beat and now - since > self.timeout_s):
            note(f"taking over from {who}, which {'is gone' if dead else NO_HEARTBEAT}")
            self._take_over(other)
        elif other.beat != beat:
            watched[other.driver] = (other.beat, now)
            if other.state == HOLDING or other.driver < self.driver:
                raise RunInUse(
                    f"{self.run.path} is in use: {who} has been running on it since {other.began_at:%Y-%m-%d %H:%M:%S} "
                    "UTC, and two would undo each other's work; wait for it (m3w status --watch), or stop it first"
                )

    def _take_over(self, other: LockEntry) -> None:
        self.run.write(f"{DRIVERS}/{other.driver}.taken", json.dumps({"by": self.driver}) + "\n")
        self.run.remove(f"{DRIVERS}/{other.driver}.json")

    def check(self) -> None:
        """Raises `m3w.pipeline.engine.run.LockLost` if the heartbeat noticed that another driver took over the run."""
        if self.lost:
            self.run.check_lock()

    def release(self) -> None:
        """Stop the heartbeat and remove the entry."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(OSError):  # if it stays, the next driver takes it over, as from a dead one
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
                continue  # the store failed; the next heartbeat tries again

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
        self.run.write(self._name, content.model_dump_json(), DRIVERS)  # not in `tmp`, which is removed meanwhile


def own_process() -> tuple[str, int, str | None]:
    """Host, process id and unique name of this process; the name is None on a system without /proc."""
    return socket.gethostname(), os.getpid(), _name(os.getpid())


def is_dead(host: str, pid: int, name: str | None) -> bool:
    """Whether the process is known to have ended; False for one of another machine or container."""
    own = _name(os.getpid())
    if name is None or own is None or host != socket.gethostname() or _machine(name) != _machine(own):
        return False
    return _name(pid) != name


def _name(pid: int) -> str | None:
    """Boot id, process-id namespace, process id and start time (in ticks since boot)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if status[0] in "ZX" else f"{boot} {namespace} {pid} {status[19]}"


def _machine(name: str) -> str:
    return " ".join(name.split()[:2])
