"""One process of a training: `python -m m3w.trainer.worker RECIPE [--set key=value ...]`, alone or under a launcher."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable

from m3w.recipes.errors import InputError
from m3w.trainer.alarm import alarm
from m3w.trainer.checkpoint import CheckpointError
from m3w.trainer.ranks import join_ranks
from m3w.trainer.recipe import Recipe, load_recipe
from m3w.trainer.training import train
from m3w.trainer.update import NonFiniteError

FAILED, WRONG_INPUT = 1, 2
STOPPED = 143
"""Exit status of a training that SIGTERM ended: 128 + 15, what shells and schedulers take for it."""


def work(recipe: Recipe, asked: threading.Event | None = None, note: Callable[[int], object] | None = None) -> int:
    """This process's part of the training; returns its exit status (see `m3w.trainer.launch.train`).

    `asked` ends the training after the update in progress once it is set, as SIGTERM does. `note` is given the
    status of an error on one of several processes before it ends the others.
    """
    # The loader's workers are forked; tokenizers would warn of its threads at each of them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with join_ranks() as ranks, alarm(ranks, note) as others:
        _log_to_stdout(ranks.first)
        try:
            return 0 if train(recipe, ranks, asked) else STOPPED
        except ValueError as error:
            return others.ring(WRONG_INPUT, _plain(error))
        except (NonFiniteError, CheckpointError) as error:
            return others.ring(FAILED, str(error))
        except Exception:
            return others.ring(FAILED, f"rank {ranks.rank} of {ranks.count}:\n{traceback.format_exc()}")


def _plain(error: ValueError) -> str:
    """The message; of an error in a loader's worker, which carries its traceback in words, its last line."""
    text = str(error).strip()
    return text.splitlines()[-1].partition(": ")[2] if "DataLoader worker" in text else text


def _log_to_stdout(first: bool) -> None:
    """Progress as plain lines, from the first rank alone."""
    log = logging.getLogger("trainer")
    log.setLevel(logging.INFO if first else logging.ERROR)
    if not log.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.propagate = False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m m3w.trainer.worker", description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", dest="overrides")
    words = parser.parse_args()
    try:
        recipe = load_recipe(words.recipe, words.overrides)
    except InputError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    return work(recipe)


if __name__ == "__main__":
    sys.exit(main())
