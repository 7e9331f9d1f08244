"""How a training runs: optimizer, updates, checkpoints, validation, logging, parallelism."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from m3w.recipes.section import Section


class OptimizerRecipe(Section):
    """AdamW. The rate rises from 0 over `warmup_steps`, stays constant, and falls to 0 over the last
    `cooldown_steps`."""

    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=5000, ge=0)
    cooldown_steps: int = Field(default=0, ge=0)
    """0 in the paper. A short training benefits from a cool-down, which averages out the noise of large steps."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    """Not applied to the resampler, as in the paper."""
    clip: float = Field(default=1.0, gt=0)
    """Maximum global norm of the gradients."""


class TrainingRecipe(Section):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Samples per update, over all processes: the number of batch slots."""
    micro_batch_size: int = Field(default=8, ge=1)
    """Most samples that a process runs through the model at once."""
    take_turns: bool = False
    """With further datasets: use one per step, round robin. The paper sums the gradients of all, which it found
    better."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 autocast on a GPU, else fp32."""


class CheckpointRecipe(Section):
    every: int = Field(default=1000, ge=1)
    """Steps between checkpoints; the last step always has one."""
    keep: int = Field(default=3, ge=1)
    """Number of newest checkpoints that are kept."""
    keep_every: int | None = Field(default=None, ge=1)
    """Checkpoints at multiples of this step are kept for good."""


class ValidationRecipe(Section):
    """Held-out loss and look test, on the same windows every time."""

    every: int = Field(default=1000, ge=1)
    batches: int = Field(default=8, ge=1)
    batch_size: int = Field(default=16, ge=2)


class WandbRecipe(Section):
    """Logging to Weights & Biases, which the extra `wandb` installs. WANDB_MODE=offline keeps it on this machine."""

    project: str
    name: str | None = None
    """Name of the run; null: W&B chooses one."""


class LogRecipe(Section):
    every: int = Field(default=10, ge=1)
    tensorboard: bool = True
    wandb: WandbRecipe | None = None


class ParallelRecipe(Section):
    """How a training is distributed and what saves memory or time. None of it changes what is learnt."""

    strategy: Literal["ddp", "fsdp", "hybrid"] = "ddp"
    """`ddp`: every process holds everything. `fsdp`: weights, gradients and optimizer state are sharded over all
    processes (FSDP2). `hybrid`: sharded over `shard_size` processes, and replicated over the rest."""
    shard_size: int | None = Field(default=None, ge=2)
    """With `hybrid`: processes that share one copy; null: those of one machine."""
    activation_checkpointing: bool = False
    """Blocks of the language model and cross-attention blocks save their inputs only and run again in the backward
    pass: a third more FLOPs for a fraction of the memory."""
    compile: bool = False
    """torch.compile, per block. The first steps take minutes."""
    reduce_every_micro_batch: bool = False
    """With `fsdp` and `hybrid`: gradients are reduced and sharded after each micro-batch, not after the last one.
    This sends more data, but no process ever holds the full gradients of the trained parameters."""

    @model_validator(mode="after")
    def _shard_size_has_a_use(self) -> ParallelRecipe:
        if self.shard_size is not None and self.strategy != "hybrid":
            raise ValueError(
                f"`shard_size` belongs to `hybrid`, but the strategy is `{self.strategy}`; change one of the two"
            )
        return self
