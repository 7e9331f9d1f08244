"""Ray's own test cluster on one machine, and what can happen to its processes."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ray.cluster_utils import Cluster

from tests.faults.processes import descendants, end_all, title

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "memory": 2 * 2**30}
AT_WORK = "ray::"
"""Ray's workers show the name of the task that they are at behind this; an idle one says IDLE."""


class ThreeNodes:
    """A head and two more, one task at a time each."""

    def __init__(self) -> None:
        self.cluster = Cluster(initialize_head=True, head_node_args=NODE)
        self.others = [self.cluster.add_node(**NODE) for _ in range(2)]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def raylets(self) -> list[int]:
        nodes = self.cluster.list_all_nodes()
        return [int(node.all_processes["raylet"][0].process.pid) for node in nodes]

    def at_work(self) -> list[int]:
        """Workers that are at one of our parts."""
        titles = {pid: title(pid) for pid in descendants(*self.raylets())}
        return [pid for pid, its in titles.items() if its.startswith(AT_WORK) and "/" in its]

    def kill_a_worker(self, chance: random.Random) -> bool:
        """SIGKILL one that is at work; False if none is."""
        workers = self.at_work()
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)
        return True

    def lose_a_node(self) -> None:
        """As a machine that is switched off."""
        self.cluster.remove_node(self.others.pop(0), allow_graceful=False)

    def add_a_node(self) -> None:
        self.others.append(self.cluster.add_node(**NODE))


@contextmanager
def three_nodes() -> Iterator[ThreeNodes]:
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # on a busy machine
    before = set(descendants(os.getpid()))
    nodes = ThreeNodes()
    try:
        yield nodes
    finally:
        started: list[Any] = [pid for pid in descendants(os.getpid()) if pid not in before]
        nodes.cluster.shutdown()
        end_all(started)
