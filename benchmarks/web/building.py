"""`m3w build` in its own process, as a user runs it; measures its workers' memory and can kill it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOOK_S = 0.2
"""Seconds between two checks of the processes; a process records its own peak, so little is missed."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A build that has ended."""

    status: int
    """Its exit status; -9 if it was killed."""
    seconds: float
    output: str
    worker_peak_mib: float
    """The largest memory of a worker."""


def build(recipe: Path, run: Path, *, kill_when: Callable[[], bool] = lambda: False) -> Built:
    """Build; kill -9 the driver once `kill_when()`. Returns when the last of its processes is gone."""
    started = time.monotonic()
    known, peak = set[int](), 0.0
    with subprocess.Popen(
        [sys.executable, "-m", "m3w", "build", str(recipe), "--run", str(run)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as driver:
        while driver.poll() is None:
            known |= _descendants(driver.pid)
            peak = max([peak, *map(_worker_peak_mib, known)])
            if kill_when():
                driver.send_signal(signal.SIGKILL)
                break
            time.sleep(LOOK_S)
        seconds = time.monotonic() - started
        _wait_for(known)
        output = driver.communicate()[0]
    return Built(status=driver.returncode, seconds=seconds, output=output, worker_peak_mib=peak)


def _descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found, left = set[int](), [root]
    while left:
        below = children.get(left.pop(), [])
        found |= set(below)
        left += below
    return found


def _worker_peak_mib(process: int) -> float:
    """0 for a process that is not a Ray worker or has ended."""
    try:
        if not Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::"):
            return 0.0
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return max((int(kib) / 1024 for kib in re.findall(r"VmHWM:\s*(\d+) kB", status)), default=0.0)


def _wait_for(processes: set[int], seconds: float = 10.0) -> None:
    """Ray's workers end by themselves after their driver; its agents take longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(_lives(process) for process in processes):
        time.sleep(LOOK_S)
    for process in processes:
        if _lives(process):
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
