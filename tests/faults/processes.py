"""Processes of this machine, from /proc: their descendants and titles."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def descendants(*pids: int) -> list[int]:
    """Children of the process, recursively."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found, ahead = [], list(pids)
    while ahead:
        parent = ahead.pop()
        children = [child for child, its in parents.items() if its == parent]
        found += children
        ahead += children
    return found


def title(pid: int) -> str:
    """The command line; Ray's workers show the task that they are at."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end_all(pids: list[int], patience_s: float = 10.0) -> None:
    """Wait for the processes to end by themselves, then end them."""
    deadline = time.monotonic() + patience_s
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in filter(alive, pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
