"""How a training is spread over processes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from m3w.recipes.section import Section


class ParallelRecipe(Section):
    """What each process holds, and what it saves memory or time by. None of it changes what is learnt."""

    strategy: Literal["ddp", "fsdp", "hybrid"] = "ddp"
    """`ddp`: every process holds everything. `fsdp`: weights, gradients and optimizer state are sharded over all
    processes (FSDP2). `hybrid`: sharded over `shard_size` processes, and so many copies of that."""
    shard_size: int | None = Field(default=None, ge=2)
    """Of `hybrid`: processes that share one copy; null: those of one machine."""
    activation_checkpointing: bool = False
    """Blocks of the language model and cross-attention blocks keep their inputs only and run again in the backward
    pass: a third more arithmetic for a fraction of the memory."""
    compile: bool = False
    """torch.compile, block by block. The first steps take minutes."""
    reduce_every_micro_batch: bool = False
    """With `fsdp` and `hybrid`: gradients are reduced and sharded after each micro-batch, not after the last one. More
    is sent, but the whole gradients of the trained parameters never lie on one process."""

    @model_validator(mode="after")
    def _shard_size_has_a_use(self) -> ParallelRecipe:
        if self.shard_size is not None and self.strategy != "hybrid":
            raise ValueError(f"`shard_size` is of `hybrid`, the strategy is `{self.strategy}`; change one of the two")
        return self
