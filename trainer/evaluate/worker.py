"""One process of an evaluation: `python -m m3w.trainer.evaluate.worker CHECKPOINT RECIPE [--set key=value ...]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from m3w.trainer.evaluate.evaluation import Progress, evaluate
from m3w.trainer.evaluate.recipe import load_evaluation
from m3w.trainer.ranks import join_ranks

UNREADABLE = 1
"""Exit status of an evaluation that is done except for queries whose picture could not be read."""
EVERY = 10.0
"""Seconds between two lines of progress."""


def work(checkpoint: str, recipe_path: str, overrides: Sequence[str]) -> int:
    """Evaluate this process's share. Returns 0, or 1 if pictures of queries could not be read, or 2 for wrong input."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        recipe = load_evaluation(recipe_path, overrides)
        with join_ranks() as ranks, _progress(shown=ranks.first) as progress:
            results = evaluate(Path(checkpoint), recipe, ranks, progress)
    except ValueError as error:
        print(f"m3w: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return UNREADABLE if results["unreadable_queries"] else 0


@contextmanager
def _progress(*, shown: bool) -> Iterator[Progress]:
    """A progress bar on a terminal, lines elsewhere; only the first rank shows progress."""
    if not shown:
        yield lambda label, done, total: None
    elif sys.stdout.isatty():
        from rich.progress import Progress as Bars

        with Bars(transient=True) as bars:
            bar = bars.add_task("", total=1)
            yield lambda label, done, total: bars.update(bar, description=label, completed=done, total=max(total, 1))
    else:
        yield _PlainLines()


class _PlainLines:
    def __init__(self) -> None:
        self.label, self.printed = "", 0.0

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if total and (label != self.label or done == total or now - self.printed > EVERY):
            self.label, self.printed = label, now
            print(f"{label}: {done} of {total}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m m3w.trainer.evaluate.worker", description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", dest="overrides")
    words = parser.parse_args()
    status = work(words.checkpoint, words.recipe, words.overrides)
    return 0 if status == UNREADABLE else status  # torchrun treats any other status as a crash


if __name__ == "__main__":
    sys.exit(main())
