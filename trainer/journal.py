"""What a training says of itself: `metrics.jsonl`, one line a step logged, and the same to TensorBoard."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from m3w.recipes.errors import InputError
from m3w.trainer.recipe import Recipe

METRICS_FILE = "metrics.jsonl"


def open_journal(folder: Path, recipe: Recipe, *, first_step: int) -> Journal:
    """The journal of the recipe's training, with what it logs to."""
    run = _wandb_run(folder, recipe) if recipe.log.wandb else None
    return Journal(folder, first_step=first_step, tensorboard=recipe.log.tensorboard, run=run)


def _wandb_run(folder: Path, recipe: Recipe) -> Any:
    """One run for a training, however often it is gone on with."""
    assert recipe.log.wandb is not None
    try:
        import wandb
    except ImportError as error:
        raise InputError(
            "log.wandb asks for Weights & Biases, which is not installed, so nothing could be logged to it; "
            "pip install 'm3w[wandb]', or leave log.wandb out"
        ) from error
    wanted, identity = recipe.log.wandb, hashlib.sha256(recipe.output.encode()).hexdigest()[:16]
    return wandb.init(
        project=wanted.project,
        name=wanted.name,
        id=identity,
        resume="allow",
        dir=str(folder),
        config=recipe.model_dump(),
    )


class Journal:
    """The metrics of the training in `folder`.

    A resume at `first_step` takes back the lines of later steps, which the stopped run wrote after its last
    checkpoint: so the file holds every step once, as if the run had never stopped.
    """

    def __init__(self, folder: Path, *, first_step: int, tensorboard: bool, run: Any = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / METRICS_FILE
        _take_back(path, first_step)
        self._file = path.open("a", encoding="utf-8")
        self._board: Any = None
        self._run = run
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # takes 2 s to import

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)

    def write(self, step: int, values: Mapping[str, float | int]) -> None:
        """Adds a line with `step` and `values`; a value that is no number (NaN) becomes null."""
        line = {"step": step, **{name: value if math.isfinite(value) else None for name, value in values.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._run is not None:
            self._run.log(dict(values), step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()
        if self._run is not None:
            self._run.finish(exit_code=0 if kind is None else 1)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a training's metrics, oldest first. A last line cut short by a crash is left out."""
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def _take_back(path: Path, first_step: int) -> None:
    """Leaves the lines of steps up to `first_step`; step n's line is written after update n, counted from 1."""
    kept = [line for line in read_metrics(path.parent) if line["step"] <= first_step]
    if path.exists():
        fresh = path.with_suffix(".partial")
        fresh.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        fresh.replace(path)
