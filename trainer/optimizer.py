"""AdamW as the paper sets it (arXiv 2204.14198, appendix B.1.2)."""

from __future__ import annotations

import torch
from torch import nn

from m3w.trainer.recipe import OptimizerRecipe


def make_optimizer(model: nn.Module, recipe: OptimizerRecipe) -> torch.optim.AdamW:
    """AdamW over the trained parameters; no weight decay on the resampler's.

    Raises ValueError if nothing is trained.
    """
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("no parameter of the model is trained, so there is nothing to do; unfreeze a part of it")
    groups = [
        {"params": [p for name, p in trained if not in_resampler(name)], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in trained if in_resampler(name)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        fused=torch.cuda.is_available(),
    )


def in_resampler(name: str) -> bool:
    """Whether the parameter called `name` is the Perceiver Resampler's."""
    return "resampler" in name.split(".")


def learning_rate(step: int, steps: int, recipe: OptimizerRecipe) -> float:
    """The rate of update number `step`, from 0, of `steps`: warm-up, constant, cool-down if there is one."""
    warm = (step + 1) / max(1, recipe.warmup_steps)
    cool = (steps - step) / max(1, recipe.cooldown_steps)
    return recipe.learning_rate * min(1.0, warm, cool)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
