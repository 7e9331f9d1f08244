"""Pages to documents, by a parser that a page may kill: it segfaults, takes all memory, or never ends.

At first a part's pages are parsed in the worker itself, within limits that end the worker (`Isolation.WATCHED`); that
costs next to nothing. When a worker died, the part's next attempt hands each page to a process of its own
(`Isolation.APART`), so that the page that kills is known: it is dropped under a reason, and the part goes on.

A page's fate does not depend on who reads it. It is dropped only by an attempt that reads apart, by limits on the
processor time and the memory of this page alone; what reads it in the worker has the same result or dies, since there
the limit is on time by the clock, of which a page takes no less. And as something else may have killed a process (a
machine out of memory), a page is its killer when it ended `TRIES` processes in a row: docs/decisions/isolation.md.

A page that runs on in C code cannot be interrupted from Python, so the kernel ends the process: an interval timer whose
signal nobody handles. A page that asks for more memory than it may have is refused by the kernel (RLIMIT_AS), which is
a MemoryError in Python and mostly the process's end in C. Cost: five system calls a page.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.attempt import Isolation
from m3w.pipeline.extract.blocks import LeftOut
from m3w.schemas.document import InterleavedDocument

TRIES = 2
WAITS = 10
"""A process apart has so many times `extract.page_seconds` by the clock, for a page that waits for something."""
KILLED, TIMEOUT, MEMORY = "killed_the_parser", "parser_timeout", "parser_memory"
"""Reasons of pages that end their process; in the ledger, and in `quarantine/` with where the page lies."""
STATM = Path("/proc/self/statm")
WALL_CLOCK = signal.ITIMER_REAL
"""Its signal is SIGALRM. Also ends a page that waits for something."""
PROCESSOR_TIME = signal.ITIMER_PROF
"""Its signal is SIGPROF. The same on a busy machine as on an idle one."""


@dataclass(frozen=True, kw_only=True)
class PageResult:
    """What became of one page."""

    outcome: InterleavedDocument | str
    """The document, or the reason why there is none."""
    fault: str | None = None
    """What went wrong, where the reason is one for the quarantine."""
    left_out: LeftOut = field(default_factory=LeftOut)
    text: str | None = None
    """Of a page that is dropped, where it has one."""


class PageReader(Protocol):
    """What parses a page. It is pickled to the process apart, which then has its own."""

    def __call__(self, record: WarcRecord) -> PageResult: ...


class Pages(Protocol):
    """Where pages are parsed."""

    def read(self, record: WarcRecord) -> PageResult: ...

    def close(self) -> None: ...


def open_pages(isolation: Isolation, reader: PageReader, seconds: float, memory_bytes: int) -> Pages:
    """`reader`, isolated; a page may take so many seconds and so much memory beyond what the process has."""
    if isolation is Isolation.APART:
        return PagesApart(reader, seconds, memory_bytes)
    watched = PageLimits(seconds, memory_bytes, WALL_CLOCK) if isolation is Isolation.WATCHED else None
    return PagesHere(reader, watched)


class PagesHere:
    """Pages parsed in this process, which a page that takes too long ends. MemoryError is raised."""

    def __init__(self, reader: PageReader, limits: PageLimits | None):
        self._reader, self._limits = reader, limits

    def read(self, record: WarcRecord) -> PageResult:
        if self._limits is None:
            return self._reader(record)
        with self._limits.page():
            return self._reader(record)

    def close(self) -> None:
        if self._limits is not None:
            self._limits.close()


class PagesApart:
    """Pages parsed one at a time in a process of their own, which is started again when a page has ended it."""

    def __init__(self, reader: PageReader, seconds: float, memory_bytes: int):
        self._reader, self._seconds, self._memory = reader, seconds, memory_bytes
        self._process: _ParserProcess | None = None

    def read(self, record: WarcRecord) -> PageResult:
        for _ in range(TRIES):
            self._process = self._process or _ParserProcess(self._reader, self._seconds, self._memory)
            result = self._process.read(record)
            if result.outcome in (KILLED, TIMEOUT, MEMORY):
                self.close()
            if result.outcome != KILLED:
                return result
        return result

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process = None


class _ParserProcess:
    """The process apart; `main` is its other end."""

    def __init__(self, reader: PageReader, seconds: float, memory_bytes: int):
        self._wait_s = WAITS * seconds
        self._pages, theirs = Pipe()
        with theirs:
            # by -c, not -m: what it sends back are then objects of this module, not of one named __main__
            command = [sys.executable, "-c", f"from {__name__} import main; main({theirs.fileno()})"]
            self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._pages.send((reader, seconds, memory_bytes))
        self._pages.recv()  # it has loaded what it needs: that is no page's time

    def read(self, record: WarcRecord) -> PageResult:
        try:
            self._pages.send(record)
            if not self._pages.poll(self._wait_s):
                return PageResult(outcome=TIMEOUT, fault=f"no answer within {self._wait_s:g} s")
            result: PageResult = self._pages.recv()
            return result
        except (EOFError, OSError):
            return _post_mortem(self._child.wait())

    def close(self) -> None:
        self._pages.close()
        self._child.kill()
        self._child.wait()


def _post_mortem(status: int) -> PageResult:
    if status == -signal.SIGPROF:
        return PageResult(outcome=TIMEOUT, fault="more processor time than extract.page_seconds")
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return PageResult(outcome=KILLED, fault=f"its process ended with {how}")


def main(descriptor: int) -> None:
    """The process apart: a reader and its limits, then records, come in by a pipe; results go back.

    It ends when the pipe is closed, or by what a page does to it.
    """
    with Connection(descriptor) as pages, contextlib.suppress(EOFError, BrokenPipeError):
        reader, seconds, memory_bytes = pages.recv()
        limits = PageLimits(seconds, memory_bytes, PROCESSOR_TIME)
        pages.send(True)
        while True:
            record = pages.recv()
            try:
                with limits.page():
                    result = reader(record)
            except MemoryError:
                result = PageResult(outcome=MEMORY, fault="more memory than extract.page_memory_mib")
            pages.send(result)


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
