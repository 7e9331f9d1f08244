"""CPU seconds and memory of a process and its descendants, and the idle time of its CPUs.

On a shared machine, time on the clock says little. `share` is the share of CPU time that the measured processes used or
that was idle; pages per second of that time are what a build would reach alone on the machine.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SECONDS_BETWEEN_LOOKS = 0.25
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Use:
    """Resources of a process and its descendants."""

    seconds: float = 0.0
    """By the clock."""
    cpu_seconds: float = 0.0
    idle_seconds: float = 0.0
    """Idle CPU seconds of the CPUs that the process was pinned to."""
    driver_mib: float = 0.0
    """Peak of the resident set of the process itself."""
    worker_mib: float = 0.0
    """The largest peak of a Ray worker's resident set."""
    _seen: dict[tuple[int, float], float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """CPU seconds that it used or could have used."""
        return self.cpu_seconds + self.idle_seconds

    def look(self, root: psutil.Process) -> None:
        """Add what the processes have used so far."""
        for process in (root, *root.children(recursive=True)):
            try:
                times, peak = process.cpu_times(), process_mib("VmHWM", process.pid)
                self._seen[process.pid, process.create_time()] = times.user + times.system
                if process.pid == root.pid:
                    self.driver_mib = max(self.driver_mib, peak)
                elif process.cmdline()[:1] and process.cmdline()[0].startswith("ray::"):
                    self.worker_mib = max(self.worker_mib, peak)
            except (psutil.Error, OSError):
                continue  # it has ended in the meantime
        self.cpu_seconds = sum(self._seen.values())


def metered(command: list[str], cpus: list[int]) -> tuple[str, Use]:
    """Run a command pinned to these CPUs. Returns its standard output and its resources; raises if it fails."""
    use = Use()
    pinned = ["taskset", "-c", ",".join(map(str, cpus)), *command]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    idle, started = _idle_seconds(cpus), time.perf_counter()
    process = subprocess.Popen(pinned, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        with _looking(psutil.Process(process.pid), use):
            output = process.stdout.read()
            status = process.wait()
    finally:
        process.terminate()  # it has ended, or the measurement was interrupted
    use.seconds = time.perf_counter() - started
    use.idle_seconds = _idle_seconds(cpus) - idle
    if status:
        raise subprocess.CalledProcessError(status, command, output)
    return output, use


@contextmanager
def _looking(root: psutil.Process, use: Use) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            try:
                use.look(root)
            except psutil.Error:
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def process_mib(field: str, pid: int | str = "self") -> float:
    """MiB of a process's resident set: `VmHWM` is the peak, `VmRSS` the current size."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _idle_seconds(cpus: list[int]) -> float:
    lines = Path("/proc/stat").read_text().splitlines()
    fields = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("cpu")}
    return sum(int(fields[f"cpu{cpu}"][n]) for cpu in cpus for n in (3, 4)) / TICKS
