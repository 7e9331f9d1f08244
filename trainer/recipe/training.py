"""How it is trained: the optimizer, the updates, what is kept and said."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from m3w.recipes.section import Section


class OptimizerRecipe(Section):
    """AdamW; 0 to `learning_rate` over `warmup_steps`, then constant; over the last `cooldown_steps` to 0."""

    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=5000, ge=0)
    cooldown_steps: int = Field(default=0, ge=0)
    """0 in the paper. A short training gains from some: its last steps average out what the large ones shook."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    """Not on the resampler, as in the paper."""
    clip: float = Field(default=1.0, gt=0)
    """Largest global norm of the gradients."""


class TrainingRecipe(Section):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Samples of one update, over all processes: the number of lanes."""
    micro_batch_size: int = Field(default=8, ge=1)
    """The most samples that a process takes through the model at once."""
    take_turns: bool = False
    """With further datasets: one a step, round robin. The paper adds up the gradients of all, and found turns worse."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 autocast where a GPU is, else fp32."""


class CheckpointRecipe(Section):
    every: int = Field(default=1000, ge=1)
    """Steps from one to the next; the last step always has one."""
    keep: int = Field(default=3, ge=1)
    """The newest so many stay."""
    keep_every: int | None = Field(default=None, ge=1)
    """Checkpoints of steps that this divides stay for good."""


class ValidationRecipe(Section):
    """Held-out loss and the look test, on the same windows every time."""

    every: int = Field(default=1000, ge=1)
    batches: int = Field(default=8, ge=1)
    batch_size: int = Field(default=16, ge=2)


class WandbRecipe(Section):
    """Weights & Biases besides; the extra `wandb` brings it. WANDB_MODE=offline keeps it on this machine."""

    project: str
    name: str | None = None
    """Of the run; null: W&B thinks of one."""


class LogRecipe(Section):
    every: int = Field(default=10, ge=1)
    tensorboard: bool = True
    wandb: WandbRecipe | None = None
