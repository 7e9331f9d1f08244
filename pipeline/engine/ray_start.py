"""Starts Ray on this machine, or connects to a cluster; retries, since a busy machine may be slow.

Ray gives the processes of a node 30 s to start (a constant in `ray/_private/node.py`), and an overloaded machine may
take longer.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import psutil
import ray

STARTS = 3
"""Attempts at starting Ray."""


class RayFailed(RuntimeError):
    """Ray did not start, or could not be reached."""


def start_ray(address: str) -> None:
    """Connect to the cluster at `address`, or for `local` start Ray on this machine. Raises `RayFailed`."""

    def start() -> None:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    patiently(start, f"Ray at {address}" if address != "local" else "Ray")


def patiently(start: Callable[[], None], what: str) -> None:
    """Call `start`, again if it fails, after killing the processes that it left. Raises `RayFailed`, naming `what`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for left in reversed(range(STARTS)):
        before = set(psutil.Process().children(recursive=True))
        try:
            start()
            return
        except Exception as error:  # for a slow node Ray raises a bare Exception
            ray.shutdown()
            for process in set(psutil.Process().children(recursive=True)) - before:
                _end(process)
            if not left:
                raise RayFailed(
                    f"{what} did not start in {STARTS} attempts ({error}); if this machine is overloaded, wait for the "
                    "other work to end; if the address is another machine's, check that a Ray head answers there; "
                    "then run the same command again to resume"
                ) from error


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.Error:
        return  # it has ended by itself
