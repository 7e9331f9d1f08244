"""Starts a training: in this process, or in several by torchrun. Nothing else here knows how it was started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from trainer.recipe import RecipeError, load_recipe

LAUNCHERS = ("torchrun", "ray")


def train(recipe_path: str, overrides: Sequence[str] = (), launcher: str = "torchrun", processes: int = 1) -> int:
    """Trains by the recipe at `recipe_path` in so many processes of this machine; returns the exit status.

    0: done. 2: the recipe, the dataset or an earlier checkpoint does not allow it; one line on stderr says why.
    1: the training broke off. 143: it was asked to stop by SIGTERM, and saved a checkpoint first.
    Where a launcher has already started this process as one of several (WORLD_SIZE is set), it trains as that one.
    """
    try:
        _check(launcher, processes)
        load_recipe(recipe_path, overrides)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if processes == 1 or "WORLD_SIZE" in os.environ:
        from trainer.worker import work  # takes seconds: torch and transformers

        return work(recipe_path, overrides)
    return subprocess.run(torchrun_command(recipe_path, overrides, processes), check=False).returncode


def torchrun_command(recipe_path: str, overrides: Sequence[str], processes: int) -> list[str]:
    """The command that starts `processes` workers on this machine and ends all of them if one fails."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    sets = [word for override in overrides for word in ("--set", override)]
    return [*launch, "-m", "trainer.worker", recipe_path, *sets]


def _check(launcher: str, processes: int) -> None:
    if launcher not in LAUNCHERS:
        raise RecipeError(f"launcher {launcher!r} is none that starts a training; take one of {', '.join(LAUNCHERS)}")
    if launcher == "ray":
        raise RecipeError("launcher 'ray' is not there yet, so nothing was started; use --launcher torchrun")
    if processes < 1:
        raise RecipeError(f"{processes} processes cannot train; give 1 or more")
