"""Limits on what one page may take of the process that reads it.

A page that runs on in C code cannot be interrupted from Python, so the kernel ends the process: an interval timer whose
signal nobody handles. A page that asks for more memory than it may have is refused by the kernel (RLIMIT_AS), which is
a MemoryError in Python and mostly the process's end in C. Cost: five system calls a page.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATM = Path("/proc/self/statm")
WALL_CLOCK = signal.ITIMER_REAL
"""Its signal is SIGALRM. Also ends a page that waits for something."""
PROCESSOR_TIME = signal.ITIMER_PROF
"""Its signal is SIGPROF. The same on a busy machine as on an idle one."""


class PageLimits:
    """Used around each page: `with limits.page(): ...`."""

    def __init__(self, seconds: float, memory_bytes: int, timer: int):
        self._seconds, self._memory, self._timer = seconds, memory_bytes, timer
        self._statm = os.open(STATM, os.O_RDONLY) if STATM.exists() else None
        self._page_bytes = resource.getpagesize()
        self._before = resource.getrlimit(resource.RLIMIT_AS)

    @contextmanager
    def page(self) -> Iterator[None]:
        """The process has so many seconds from now, and so much memory beyond what it has now."""
        if self._statm is not None:
            now = int(os.pread(self._statm, 32, 0).split()[0]) * self._page_bytes
            self._limit_memory(now + self._memory)
        signal.setitimer(self._timer, self._seconds)
        try:
            yield
        finally:
            signal.setitimer(self._timer, 0)
            if self._statm is not None:
                self._limit_memory(self._before[0])

    def close(self) -> None:
        if self._statm is not None:
            os.close(self._statm)

    def _limit_memory(self, size: int) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, self._before[1]))
