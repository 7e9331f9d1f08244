"""Extractors that crash on planted pages, in a different way on each; a recipe selects one by `extract.extractor`."""

from __future__ import annotations

import itertools
import os
import signal
from collections import deque

from m3w.pipeline.extract.extractors import OwnExtractor
from m3w.schemas.document import InterleavedDocument

SEGFAULT, MEMORY, LOOP = b"<!-- segfault -->", b"<!-- memory -->", b"<!-- loop -->"


class Killed:
    """Our own extractor, unless a comment in the page names a way to crash."""

    def __init__(self) -> None:
        self._own = OwnExtractor()

    def __call__(self, html: bytes, url: str, content_type: str | None) -> InterleavedDocument | str:
        if SEGFAULT in html:
            os.kill(os.getpid(), signal.SIGSEGV)
        if MEMORY in html:
            blocks = []
            while True:
                blocks.append(bytes(2**24))
        if LOOP in html:
            spin_in_c()
        return self._own(html, url, content_type)


def spin_in_c() -> None:
    """Never returns to Python, so that no signal handler can run."""
    deque(itertools.repeat(0), maxlen=0)
