"""Pages to documents, by a parser that a page may kill: it segfaults, takes all memory, or never ends.

At first a part's pages are parsed in the worker itself, within limits that end the worker (`Care.WATCHED`); that costs
nothing to speak of. When a worker died, the part's next attempt hands each page to a process of its own (`Care.APART`),
so that the page that kills is known: it is dropped under a reason, and the part goes on.

A page's fate does not depend on who reads it. It is dropped only by an attempt that reads apart, by limits on the
processor time and the memory of this page alone; what reads it in the worker has the same result or dies, since there
the limit is on time by the clock, of which a page takes no less. And as something else may have killed a process (a
machine out of memory), a page is its killer when it ended `TRIES` processes in a row: docs/decisions/0006-isolation.md.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from typing import Protocol

from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.attempt import Care
from m3w.pipeline.extract.blocks import LeftOut
from m3w.pipeline.extract.page_limits import WALL_CLOCK, PageLimits
from m3w.pipeline.recipe import Recipe
from m3w.schemas.document import InterleavedDocument

TRIES = 2
WAITS = 10
"""A process apart has so many times `extract.page_seconds` by the clock, for a page that waits for something."""
TEST_PARSER = "M3W_TEST_PARSER"
KILLED, TIMEOUT, MEMORY = "killed_the_parser", "parser_timeout", "parser_memory"
"""Reasons of pages that end their process; in the ledger, and in `quarantine/` with the page's place."""


@dataclass(frozen=True, kw_only=True)
class PageResult:
    """What became of one page."""

    found: InterleavedDocument | str
    """The document, or the reason why there is none."""
    fault: str | None = None
    """What went wrong, where the reason is one for the quarantine."""
    left_out: LeftOut = field(default_factory=LeftOut)
    text: str | None = None
    """Of a page that is dropped, where it has one."""


ReadPage = Callable[[WarcRecord], PageResult]


def parser(ours: Callable[..., InterleavedDocument | str]) -> Callable[..., InterleavedDocument | str]:
    """`ours`, but for tests of what a page can do to a process: these name another in M3W_TEST_PARSER, MODULE:FUNCTION.

    It gets `ours` and what that would get. No fingerprint knows of it.
    """
    named = os.environ.get(TEST_PARSER)
    if named is None:
        return ours
    module, _, function = named.partition(":")
    return functools.partial(getattr(importlib.import_module(module), function), ours)


class Pages(Protocol):
    def read(self, record: WarcRecord) -> PageResult: ...

    def close(self) -> None: ...


def pages(care: Care, read: ReadPage, recipe: Recipe) -> Pages:
    """What reads pages with `care`; `read` is used in this process, a process apart makes its own from the recipe."""
    if care is Care.APART:
        return PagesApart(recipe)
    return PagesHere(read, recipe if care is Care.WATCHED else None)


class PagesHere:
    """Pages read in this process, which a page that takes too long ends. MemoryError is raised."""

    def __init__(self, read: ReadPage, watched: Recipe | None):
        self._read = read
        self._limits = None if watched is None else limits(watched, WALL_CLOCK)

    def read(self, record: WarcRecord) -> PageResult:
        if self._limits is None:
            return self._read(record)
        with self._limits.page():
            return self._read(record)

    def close(self) -> None:
        if self._limits is not None:
            self._limits.close()


def limits(recipe: Recipe, timer: int) -> PageLimits:
    return PageLimits(recipe.extract.page_seconds, recipe.extract.page_memory_mib * 2**20, timer)


class PagesApart:
    """Pages read one at a time in a process of their own, which is started again when a page has ended it."""

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._process: _PageProcess | None = None

    def read(self, record: WarcRecord) -> PageResult:
        for _ in range(TRIES):
            self._process = self._process or _PageProcess(self._recipe)
            result = self._process.read(record)
            if result.found in (KILLED, TIMEOUT, MEMORY):
                self.close()
            if result.found != KILLED:
                return result
        return result

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process = None


class _PageProcess:
    """See `m3w.pipeline.extract.page_process` for its other end."""

    def __init__(self, recipe: Recipe):
        self._wait_s = WAITS * recipe.extract.page_seconds
        self._pages, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-m", "m3w.pipeline.extract.page_process", str(theirs.fileno())]
            self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._pages.send(recipe)
        self._pages.recv()  # it has loaded what it needs: that is no page's time

    def read(self, record: WarcRecord) -> PageResult:
        try:
            self._pages.send(record)
            if not self._pages.poll(self._wait_s):
                return PageResult(found=TIMEOUT, fault=f"no answer within {self._wait_s:g} s")
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
        return PageResult(found=TIMEOUT, fault="more processor time than extract.page_seconds")
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return PageResult(found=KILLED, fault=f"its process ended with {how}")
