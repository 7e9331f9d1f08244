"""One process of a training: `python -m trainer.worker RECIPE [--set key=value ...]`, alone or under torchrun."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from trainer.ranks import join_ranks
from trainer.recipe import load_recipe
from trainer.training import train
from trainer.update import NonFiniteError

STOPPED = 143
"""Exit status of a training that SIGTERM ended: 128 + 15, what shells and schedulers take for it."""


def work(recipe_path: str, overrides: Sequence[str]) -> int:
    """This process's part of the training; returns its exit status (see `trainer.launch.train`)."""
    # The loader's workers are forked; tokenizers would warn of its threads at each of them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        recipe = load_recipe(recipe_path, overrides)
        with join_ranks() as ranks:
            _log_to_stdout(ranks.first)
            return 0 if train(recipe, ranks) else STOPPED
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except NonFiniteError as error:
        print(error, file=sys.stderr)
        return 1


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
    parser = argparse.ArgumentParser(prog="python -m trainer.worker", description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", dest="overrides")
    words = parser.parse_args()
    return work(words.recipe, words.overrides)


if __name__ == "__main__":
    sys.exit(main())
