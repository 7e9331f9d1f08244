"""Checkpoints: sharded, written in the background, published atomically (trainer/checkpoint/store.py).

Only trained parameters, buffers and their optimizer state are kept, by the names of parameters. Frozen parameters are
loaded from their own source. A checkpoint does not depend on the number of processes or on how they share the model.
"""

from __future__ import annotations

import io
import json
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from m3w.trainer.checkpoint.store import RECORD, open_store
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import CheckpointRecipe

_OPTIONS = StateDictOptions(ignore_frozen_params=True, strict=False)


class CheckpointError(RuntimeError):
    """A checkpoint that could not be written. The training ends, since it could not be resumed."""


class Checkpoints:
    """The checkpoints of a training in `folder` (local, or an fsspec URL). `identity` is what a resume must match."""

    def __init__(self, folder: str, recipe: CheckpointRecipe, identity: dict[str, Any], ranks: Ranks) -> None:
        self.store = open_store(folder)
        self.recipe, self.identity, self.ranks = recipe, identity, ranks
        # A separate group: the ranks coordinate their writes while the training communicates on its own group.
        self._group = dist.new_group(backend="gloo") if ranks.count > 1 else None
        if self._group is None:
            warnings.filterwarnings("ignore", message=".*in a single process")  # which is fine for a small training
        self._publisher = ThreadPoolExecutor(1, "checkpoint")
        self._pending: tuple[int, Future[None]] | None = None

    def newest(self) -> int | None:
        """The highest step with a complete checkpoint; None if there is none."""
        return max(self.store.steps(), default=None)

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Copies the state after `step` updates and returns; it is written and published in the background.

        Waits for the checkpoint before, if it is still being written. Raises CheckpointError if that one failed.
        """
        self.finish()
        try:
            if self.ranks.first:
                self.store.clear(step)
            self.ranks.wait()
            self.store.write(step, _rng_name(self.ranks.rank), _rng_state())
        except OSError as error:
            raise self._error(step, error) from error
        written: Any = state_dict_saver.async_save(
            _state(model, optimizer),
            storage_writer=self.store.writer(step),
            process_group=self._group,
            no_dist=self._group is None,
        )
        self._pending = step, self._publisher.submit(self._publish, step, written)

    def check(self) -> None:
        """Raises CheckpointError if the checkpoint being written has failed; does not wait for it."""
        if self._pending is not None and self._pending[1].done():
            self.finish()

    def finish(self) -> None:
        """Waits until the checkpoint being written, if any, is published. Raises CheckpointError if it failed."""
        if self._pending is None:
            return
        (step, published), self._pending = self._pending, None
        try:
            published.result()
        except (Exception, CheckpointException) as error:
            raise self._error(step, error) from error

    def _error(self, step: int, error: BaseException) -> CheckpointError:
        return CheckpointError(
            f"the checkpoint of step {step} could not be written to {self.store.path(step)}: {_cause(error)}; "
            "make room or set another `output`, then start again to resume from the newest complete one"
        )

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Loads the newest checkpoint, if any, into model and optimizer; returns its step, or 0.

        Raises ValueError if the checkpoint belongs to another training, or cannot be read.
        """
        step = self.newest()
        if step is None:
            return 0
        self._check_identity(json.loads(self.store.read(step, RECORD) or b"{}"), step)
        state = _state(model, optimizer)
        try:
            state_dict_loader.load(state, storage_reader=self.store.reader(step), no_dist=self._group is None)
        except CheckpointException as error:
            raise ValueError(
                f"{self.store.path(step)} does not fit this model or is damaged: {_cause(error)}; "
                "remove it to resume from the one before, or set another `output`"
            ) from error
        set_state_dict(
            model,
            optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=_OPTIONS,
        )
        _load_rng(self.store.read(step, _rng_name(self.ranks.rank)))
        return step

    def _publish(self, step: int, written: Future[Any]) -> None:
        written.result()  # returns on the first rank once all have written
        if self.ranks.first:
            self.store.publish(step, json.dumps({"step": step, **self.identity}, indent=1).encode())
            self._remove_old()

    def _check_identity(self, saved: dict[str, Any], step: int) -> None:
        for name, ours in self.identity.items():
            if saved.get(name) != ours:
                raise ValueError(
                    f"{self.store.path(step)} was written with {name} = {saved.get(name)!r}, this training has "
                    f"{ours!r}, so a resume would train something else; set the old value, or another `output`"
                )

    def _remove_old(self) -> None:
        for step in self.store.steps()[: -self.recipe.keep]:
            if not (self.recipe.keep_every and step % self.recipe.keep_every == 0):
                self.store.remove(step)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of both by parameter names."""
    model_state, optimizer_state = get_state_dict(model, optimizer, options=_OPTIONS)
    return {"model": model_state, "optimizer": optimizer_state}


def _cause(error: BaseException) -> str:
    """The error, that of the lowest rank if several failed, in one line."""
    if isinstance(error, CheckpointException) and error.failures:
        rank, (inner, _) = min(error.failures.items())
        return f"{type(inner).__name__} on rank {rank}: {' '.join(str(inner).split())}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _rng_name(rank: int) -> str:
    return f"rng-{rank:05d}.pt"


def _rng_state() -> bytes:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _load_rng(saved: bytes | None) -> None:
    """Restores the generators. A rank that the stopped run did not have keeps the state from the recipe's seed."""
    if saved is not None:
        state = torch.load(io.BytesIO(saved), weights_only=True)
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda"])
