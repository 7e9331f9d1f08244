"""Parses pages that may crash the parser: by a segmentation fault, by using all memory, or by never ending.

At first the pages of a part are parsed in the worker itself, under limits that end the worker (`Isolation.WATCHED`);
this costs almost nothing. After a worker died, the part's next attempt parses pages in a separate process
(`Isolation.APART`), so that the page that crashes is known: it is dropped under a reason, and the part continues.

The result of a page does not depend on where it is parsed. Only an attempt with a separate process drops pages, by
limits on the processor time and the memory of each page. In the worker the same page has the same result or ends the
worker: the limit there is on wall-clock time, which is never less than the processor time. Because something else may
have killed a process (a machine out of memory), a page is dropped only after it ended `TRIES` processes in a row:
docs/decisions/isolation.md.

Python cannot interrupt a page that loops in C code, so the kernel ends the process: by an interval timer whose signal
has no handler. If a page requests more memory than allowed, the kernel refuses (RLIMIT_AS); this is a MemoryError in
Python and usually a crash in C. Cost: five system calls per page.
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
"""Limit on the wall-clock time of a page in a separate process, in units of `extract.page_seconds`."""
KILLED, TIMEOUT, MEMORY = "killed_the_parser", "parser_timeout", "parser_memory"
"""Reasons of pages that end their process; in the ledger, and in `quarantine/` with the page's position."""
STATM = Path("/proc/self/statm")
WALL_CLOCK = signal.ITIMER_REAL
"""Its signal is SIGALRM. It also ends a page that blocks."""
PROCESSOR_TIME = signal.ITIMER_PROF
"""Its signal is SIGPROF. It does not depend on how busy the machine is."""


@dataclass(frozen=True, kw_only=True)
class PageResult:
    """The result of one page."""

    outcome: InterleavedDocument | str
    """The document, or the reason why there is none."""
    fault: str | None = None
    """What went wrong, if the page goes to the quarantine."""
    left_out: LeftOut = field(default_factory=LeftOut)
    text: str | None = None
    """The text of a dropped page, if it has one."""


class PageReader(Protocol):
    """A function that parses a page. A separate process gets a pickled copy of it."""

    def __call__(self, record: WarcRecord) -> PageResult: ...


class Pages(Protocol):
    """Parses pages, in this process or in another."""

    def read(self, record: WarcRecord) -> PageResult: ...

    def close(self) -> None: ...


def open_pages(isolation: Isolation, reader: PageReader, seconds: float, memory_bytes: int) -> Pages:
    """Pages parsed by `reader` under `isolation`; each page may take `seconds` and `memory_bytes` of further memory."""
    if isolation is Isolation.APART:
        return PagesApart(reader, seconds, memory_bytes)
    watched = PageLimits(seconds, memory_bytes, WALL_CLOCK) if isolation is Isolation.WATCHED else None
    return PagesHere(reader, watched)


class PagesHere:
    """Pages parsed in this process; a page that takes too long ends it. Raises MemoryError."""

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
    """Pages parsed one at a time in a separate process, which is restarted after a page has ended it."""

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
    """The separate process, which runs `main`."""

    def __init__(self, reader: PageReader, seconds: float, memory_bytes: int):
        self._wait_s = WAITS * seconds
        self._pages, child_end = Pipe()
        with child_end:
            # -c, not -m: the objects that it returns are then of this module, not of one named __main__
            command = [sys.executable, "-c", f"from {__name__} import main; main({child_end.fileno()})"]
            self._child = subprocess.Popen(command, pass_fds=[child_end.fileno()], stdin=subprocess.DEVNULL)
        self._pages.send((reader, seconds, memory_bytes))
        self._pages.recv()  # wait for its imports, whose time must not count for a page

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
    """Run the separate process: receive a reader and its limits, then records, by a pipe; send back the results.

    Returns when the pipe is closed, unless a page ends the process.
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
    """Limits on time and memory of each page: `with limits.page(): ...`."""

    def __init__(self, seconds: float, memory_bytes: int, timer: int):
        self._seconds, self._memory, self._timer = seconds, memory_bytes, timer
        self._statm = os.open(STATM, os.O_RDONLY) if STATM.exists() else None
        self._page_bytes = resource.getpagesize()
        self._before = resource.getrlimit(resource.RLIMIT_AS)

    @contextmanager
    def page(self) -> Iterator[None]:
        """Limit the process to the page's seconds from now, and to its memory beyond the current use."""
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
