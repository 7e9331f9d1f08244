"""Ray's own test cluster on one machine, and ways to kill its processes."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ray.cluster_utils import Cluster

from tests.faults.processes import descendants, end_all, title

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "memory": 2 * 2**30}
STARTS = 5
AT_WORK = "ray::"
"""Ray's workers show the name of the task that they are at behind this; an idle one says IDLE."""


class ThreeNodes:
    """A head and two other nodes, each of which runs one task at a time."""

    def __init__(self) -> None:
        self.cluster = _started(lambda: Cluster(initialize_head=True, head_node_args=NODE))
        self.others: list[Any] = []
        for _ in range(2):
            self.add_a_node()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def raylets(self) -> list[int]:
        nodes = self.cluster.list_all_nodes()
        return [int(node.all_processes["raylet"][0].process.pid) for node in nodes]

    def at_work(self) -> list[int]:
        """Workers that run one of our parts."""
        titles = {pid: title(pid) for pid in descendants(*self.raylets())}
        return [pid for pid, its in titles.items() if its.startswith(AT_WORK) and "/" in its]

    def kill_a_worker(self, chance: random.Random) -> bool:
        """SIGKILL a worker that runs a part; False if there is none."""
        workers = self.at_work()
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)
        return True

    def lose_a_node(self) -> None:
        """Remove a node as if its machine were switched off."""
        self.cluster.remove_node(self.others.pop(0), allow_graceful=False)

    def add_a_node(self) -> None:
        self.others.append(_started(lambda: self.cluster.add_node(**NODE)))


def _started(start: Callable[[], Any]) -> Any:
    """Start a node, again if it takes longer than Ray's 30 s, which happens on a busy machine."""
    for left in reversed(range(STARTS)):
        try:
            return start()
        except Exception:
            if not left:
                raise
    return None


@contextmanager
def three_nodes() -> Iterator[ThreeNodes]:
    before = set(descendants(os.getpid()))
    nodes = None
    try:
        nodes = ThreeNodes()
        yield nodes
    finally:
        started = [pid for pid in descendants(os.getpid()) if pid not in before]
        if nodes is not None:
            nodes.cluster.shutdown()
        end_all(started)
