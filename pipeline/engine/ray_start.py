"""Ray, started on this machine or connected to; a start that fails is tried again, since a busy machine may be slow.

Ray gives the processes of a node 30 s to begin (`ray/_private/node.py`, a constant), which a machine with many times
more work than cores does not always keep.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import psutil
import ray

STARTS = 3


class RayFailed(RuntimeError):
    """Ray did not start, or could not be reached."""


def start_ray(address: str) -> None:
    """Connect to the cluster at the address, or, for `local`, start Ray on this machine. Raises `RayFailed`."""

    def start() -> None:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    patiently(start, f"Ray at {address}" if address != "local" else "Ray")


def patiently(start: Callable[[], None], what: str) -> None:
    """`start`, tried again where it fails and what it has left is ended. Raises `RayFailed`, which names `what`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for left in reversed(range(STARTS)):
        before = set(psutil.Process().children(recursive=True))
        try:
            start()
            return
        except Exception as error:  # Ray raises Exception itself for a node that was slow
            ray.shutdown()
            for process in set(psutil.Process().children(recursive=True)) - before:
                _end(process)
            if not left:
                raise RayFailed(
                    f"{what} did not start in {STARTS} tries ({error}); if this machine is swamped with other work, "
                    "wait for it to end; if the address is another machine's, see that a head answers there; then "
                    "the same command goes on"
                ) from error


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.Error:
        return  # it has ended by itself
