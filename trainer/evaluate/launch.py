"""Start an evaluation: in this process, or in several with torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from m3w.trainer.evaluate.recipe import EvaluationRecipe, load_evaluation


def evaluate(
    checkpoint: str, recipe_path: str, overrides: Sequence[str] = (), processes: int = 1
) -> tuple[int, EvaluationRecipe | None]:
    """Evaluate in `processes` processes of this machine. Returns the exit status, and the recipe unless it is wrong.

    The status is 0 when done; 1 when done but for queries whose picture could not be read, or when a process failed; 2
    when the recipe, the files or the checkpoint are wrong: one line on stderr says why.
    """
    try:
        recipe = load_evaluation(recipe_path, overrides)
        _check(Path(checkpoint), recipe)
    except ValueError as error:
        print(f"m3w: {' '.join(str(error).split())}", file=sys.stderr)
        return 2, None
    if processes == 1 or "WORLD_SIZE" in os.environ:
        from m3w.trainer.evaluate.worker import work

        return work(checkpoint, recipe_path, overrides), recipe
    status = subprocess.run(torchrun_command(checkpoint, recipe_path, overrides, processes), check=False).returncode
    return _status_of(Path(recipe.output), status), recipe


def torchrun_command(checkpoint: str, recipe_path: str, overrides: Sequence[str], processes: int) -> list[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    sets = [word for override in overrides for word in ("--set", override)]
    return [*launch, "-m", "m3w.trainer.evaluate.worker", checkpoint, recipe_path, *sets]


def _check(checkpoint: Path, recipe: EvaluationRecipe) -> None:
    """Check the input before processes start: torchrun would show an error in one of them as a traceback."""
    from m3w.trainer.evaluate.loaded_model import check_model_folder

    check_model_folder(checkpoint)
    recipe.resolved_task().examples("queries", recipe.root)


def _status_of(output: Path, status: int) -> int:
    if status:
        return 1
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return 1 if results["unreadable_queries"] else 0
