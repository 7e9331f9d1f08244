"""Parsers that a planted page kills, each in its own way; M3W_TEST_PARSER names one. See `m3w.pipeline.extract.parser_sandbox.parser`."""

from __future__ import annotations

import itertools
import os
import signal
from collections import deque
from typing import Any

SEGFAULT, MEMORY, LOOP = b"<!-- segfault -->", b"<!-- memory -->", b"<!-- loop -->"


def killed(extract_page: Any, html: bytes, *args: Any, **options: Any) -> Any:
    """`extract_page`, unless the page says in a comment what it does to its parser."""
    if SEGFAULT in html:
        os.kill(os.getpid(), signal.SIGSEGV)
    if MEMORY in html:
        taken = []
        while True:
            taken.append(bytes(2**24))
    if LOOP in html:
        spin_in_c()
    return extract_page(html, *args, **options)


def spin_in_c() -> None:
    """Never comes back to Python, so that no handler of a signal could run."""
    deque(itertools.repeat(0), maxlen=0)
