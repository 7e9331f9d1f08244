"""One process of a training fails: all end, within seconds, and the first to fail says why.

A process that waits for another's gradients waits in C++, where no signal handler and no exception reaches it, and
launchers wait half a minute and longer before they kill it. So each has a thread that looks at a key of the store by
which the processes have found each other.
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

LOOKS_EVERY = 0.5
"""Seconds."""
TO_LEAVE = 2.0
"""Seconds that a process has to end by itself, and that one that has failed stays for the others to hear of it."""


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")  # Ray Train's own `print` writes it twice
    sys.stderr.flush()


class Alarm:
    """Of one process. Without others it only prints.

    `note` hears of the status before any other process does and can end by it.
    """

    def __init__(self, ranks: Ranks, note: Callable[[int], object] | None = None) -> None:
        self._rank, self._over, self._note = ranks.rank, threading.Event(), note
        self._store = None
        if ranks.count > 1:
            self._store = PrefixStore("m3w-alarm", _get_default_store())
            threading.Thread(target=self._watch, name="alarm", daemon=True).start()

    def ring(self, status: int, message: str) -> int:
        """Ends the other processes with `status`, and says why if no other has; returns the status."""
        if self._store is None:
            _say(message)
            return status
        try:
            if self._store.add("rung", 1) == 1:
                _say(message)
                if self._note is not None:
                    self._note(status)
                self._store.set("status", json.dumps([status, self._rank]))
            else:
                status = self._status()
        except RuntimeError:  # the process that held the store has gone before
            _say(message)
        self.stop()
        time.sleep(TO_LEAVE)
        return status

    def stop(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        assert self._store is not None
        while not self._over.wait(LOOKS_EVERY):
            try:
                status = self._status() if self._store.check(["status"]) else 0
            except RuntimeError:  # the store is gone, and with it the first process
                status = 1
            if status and not self._over.wait(TO_LEAVE):
                os._exit(status)  # the main thread may never come back

    def _status(self) -> int:
        assert self._store is not None
        return int(json.loads(self._store.get("status"))[0])


@contextmanager
def alarm(ranks: Ranks, note: Callable[[int], object] | None = None) -> Iterator[Alarm]:
    """The alarm of this process, for as long as the processes belong together."""
    watching = Alarm(ranks, note)
    try:
        yield watching
    finally:
        watching.stop()
