"""A process's name among all processes of all machines, to tell whether one that wrote it down is still there."""

from __future__ import annotations

import os
import socket
from pathlib import Path


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
