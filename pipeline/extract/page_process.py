"""The process that reads pages apart from the worker: a recipe, then records, come in by a pipe; results go back.

    python -m m3w.pipeline.extract.page_process FILE_DESCRIPTOR

It ends when the pipe is closed, or by what a page does to it.
"""

from __future__ import annotations

import contextlib
import sys
from multiprocessing.connection import Connection

from m3w.pipeline.extract.page_limits import PROCESSOR_TIME
from m3w.pipeline.extract.parser_sandbox import MEMORY, PageResult, limits
from m3w.pipeline.extract.stage import read_page
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage


def main(descriptor: int) -> None:
    with Connection(descriptor) as pages, contextlib.suppress(EOFError, BrokenPipeError):
        recipe = pages.recv()
        lists, bounds = ListsByLanguage(recipe.word_lists), limits(recipe, PROCESSOR_TIME)
        pages.send(True)
        while True:
            record = pages.recv()
            try:
                with bounds.page():
                    result = read_page(record, recipe, lists)
            except MemoryError:
                result = PageResult(found=MEMORY, fault="more memory than extract.page_memory_mib")
            pages.send(result)


if __name__ == "__main__":
    main(int(sys.argv[1]))
