import pytest
import torch
from torch import nn

from m3w.trainer.optimizer import learning_rate, make_optimizer
from m3w.trainer.recipe import OptimizerRecipe


def test_the_rate_rises_stays_and_falls():
    recipe = OptimizerRecipe(learning_rate=1.0, warmup_steps=4, cooldown_steps=2)
    rates = [learning_rate(step, 8, recipe) for step in range(8)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 0.5]


def test_without_a_cool_down_the_rate_stays_as_in_the_paper():
    recipe = OptimizerRecipe(learning_rate=1e-4, warmup_steps=5000)
    assert learning_rate(4999, 6000, recipe) == learning_rate(5999, 6000, recipe) == 1e-4


def test_the_resampler_alone_has_no_weight_decay_and_what_is_frozen_is_left_out():
    model = nn.ModuleDict({"resampler": nn.Linear(2, 2), "language_model": nn.Linear(3, 3), "frozen": nn.Linear(5, 5)})
    model["frozen"].requires_grad_(False)
    optimizer = make_optimizer(model, OptimizerRecipe())
    decays = {group["weight_decay"]: {p.shape[0] for p in group["params"]} for group in optimizer.param_groups}
    assert decays == {0.1: {3}, 0.0: {2}}


def test_a_model_in_which_nothing_is_trained_is_an_error():
    with pytest.raises(ValueError, match="unfreeze"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False), OptimizerRecipe())
    assert torch.is_grad_enabled()
