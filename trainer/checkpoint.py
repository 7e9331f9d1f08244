"""Checkpoints: a new folder per step, published in one step, so that a reader finds a whole one or none.

    OUTPUT/checkpoints/step-00000100/    model and optimizer, sharded (torch.distributed.checkpoint)
                                         rng-00000.pt per rank, training.json: the step, what it belongs to

A checkpoint is written under a hidden name, synced and renamed; a killed writer leaves a hidden folder that the
next one removes. Only trained parameters and buffers are kept: frozen ones come from where they came from.
The folder is on a file system where rename is atomic; object stores have no such rename.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from trainer.ranks import Ranks
from trainer.recipe import CheckpointRecipe

_NAME = re.compile(r"step-(\d{8})")
_OPTIONS = StateDictOptions(ignore_frozen_params=True, strict=False)


class Checkpoints:
    """The checkpoints of the training in `output`, which belong to what `identity` names."""

    def __init__(self, output: Path, recipe: CheckpointRecipe, identity: dict[str, Any], ranks: Ranks) -> None:
        self.folder = output / "checkpoints"
        self.recipe, self.identity, self.ranks = recipe, identity, ranks

    def newest(self) -> Path | None:
        """The complete checkpoint of the highest step."""
        return max(list_checkpoints(self.folder), default=None)

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
        """Writes and publishes the state after `step` updates; then removes what is older than the last to keep."""
        final = self.folder / f"step-{step:08d}"
        partial = self.folder / f".partial-step-{step:08d}"
        if self.ranks.first:
            for left_over in (*self.folder.glob(".partial-*"), final):
                shutil.rmtree(left_over, ignore_errors=True)
            partial.mkdir(parents=True)
        self.ranks.wait()
        with _quiet():
            state_dict_saver.save(_state(model, optimizer), checkpoint_id=partial)
        _save_rng(partial / f"rng-{self.ranks.rank:05d}.pt")
        self.ranks.wait()
        if self.ranks.first:
            _write_synced(partial / "training.json", json.dumps({"step": step, **self.identity}, indent=1))
            partial.rename(final)
            _sync(self.folder)
            self._remove_old()
        self.ranks.wait()
        return final

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Loads the newest checkpoint, if any, into the two; returns the updates done, 0 without a checkpoint.

        Raises ValueError if the checkpoint belongs to something else than this training.
        """
        checkpoint = self.newest()
        if checkpoint is None:
            return 0
        saved = json.loads((checkpoint / "training.json").read_text())
        self._check_identity(saved, checkpoint)
        state = _state(model, optimizer)
        with _quiet():
            state_dict_loader.load(state, checkpoint_id=checkpoint)
        set_state_dict(
            model,
            optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=_OPTIONS,
        )
        _load_rng(checkpoint / f"rng-{self.ranks.rank:05d}.pt")
        return int(saved["step"])

    def _check_identity(self, saved: dict[str, Any], checkpoint: Path) -> None:
        for name, ours in self.identity.items():
            if saved.get(name) != ours:
                raise ValueError(
                    f"{checkpoint} was written with {name} = {saved.get(name)!r}, this training has {ours!r}: "
                    "going on from it would train something else; set the old value, or another `output`"
                )

    def _remove_old(self) -> None:
        for checkpoint in sorted(list_checkpoints(self.folder))[: -self.recipe.keep]:
            if not (self.recipe.keep_every and step_of(checkpoint) % self.recipe.keep_every == 0):
                # Hidden first: a reader must not find a checkpoint that is half removed.
                going = checkpoint.rename(checkpoint.with_name(f".partial-old-{checkpoint.name}"))
                shutil.rmtree(going)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Both by parameter names, so that neither the wrapper nor the number of ranks is in the checkpoint."""
    model_state, optimizer_state = get_state_dict(model, optimizer, options=_OPTIONS)
    return {"model": model_state, "optimizer": optimizer_state}


@contextmanager
def _quiet() -> Iterator[None]:
    """One process without a process group is what a small training is; torch warns of it each time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*in a single process")
        yield


def list_checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints in a `checkpoints` folder, in no order."""
    return [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]


def step_of(checkpoint: Path) -> int:
    """The updates that had been done when the checkpoint was written."""
    return int(checkpoint.name.removeprefix("step-"))


def _save_rng(path: Path) -> None:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    torch.save(state, path)


def _load_rng(path: Path) -> None:
    """A rank that the stopped run did not have keeps the state that the recipe's seed gave it."""
    if path.exists():
        state = torch.load(path, weights_only=True)
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda"])


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
