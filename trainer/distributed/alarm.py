"""Fail fast: if one process of a training fails, all end within seconds, and the first to fail says why.

A process that waits for another's gradients waits in C++, where no signal handler and no exception reaches it, and
launchers wait half a minute or longer before they kill it. So each process has a thread that polls a key of the store
through which the processes have found each other.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch.distributed.distributed_c10d import PrefixStore, _get_default_store

from m3w.trainer.distributed.ranks import Ranks

POLL_SECONDS = 0.5
GRACE_SECONDS = 2.0
"""Time that a process has to end by itself, and that a failed one stays alive so that the others notice."""


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")  # Ray Train's `print` writes it twice
    sys.stderr.flush()


class Alarm:
    """Tells the other processes that this one has failed, and ends this one if another has. Alone, it only prints.

    `on_failure` is called with the status before the other processes learn of it.
    """

    def __init__(self, ranks: Ranks, on_failure: Callable[[int], object] | None = None) -> None:
        self._rank, self._over, self._on_failure = ranks.rank, threading.Event(), on_failure
        self._store = None
        if ranks.count > 1:
            self._store = PrefixStore("m3w-alarm", _get_default_store())
            threading.Thread(target=self._watch, name="alarm", daemon=True).start()

    def ring(self, status: int, message: str) -> int:
        """Ends the other processes with `status` and prints `message`, unless one has failed before; returns the
        status."""
        if self._store is None:
            _say(message)
            return status
        try:
            if self._store.add("rung", 1) == 1:
                _say(message)
                if self._on_failure is not None:
                    self._on_failure(status)
                self._store.set("status", json.dumps([status, self._rank]))
            else:
                status = self._status()
        except RuntimeError:  # the process that held the store is gone
            _say(message)
        self.stop()
        time.sleep(GRACE_SECONDS)
        return status

    def stop(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        assert self._store is not None
        while not self._over.wait(POLL_SECONDS):
            try:
                status = self._status() if self._store.check(["status"]) else 0
            except RuntimeError:  # the store is gone, and with it the first process
                status = 1
            if status and not self._over.wait(GRACE_SECONDS):
                os._exit(status)  # the main thread may never return

    def _status(self) -> int:
        assert self._store is not None
        return int(json.loads(self._store.get("status"))[0])


@contextmanager
def alarm(ranks: Ranks, on_failure: Callable[[int], object] | None = None) -> Iterator[Alarm]:
    """The alarm of this process while it works with the others."""
    watching = Alarm(ranks, on_failure)
    try:
        yield watching
    finally:
        watching.stop()
