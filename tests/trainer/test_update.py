from types import SimpleNamespace

import pytest
import torch
from torch import nn

from m3w.trainer.data.collate import Batch
from m3w.trainer.data.mixture import Share
from m3w.trainer.data.windows import IGNORED
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.metrics.loss import held_out_loss, shuffle_images
from m3w.trainer.recipe import OptimizerRecipe
from m3w.trainer.update import NonFiniteError, learning_rate, make_optimizer, update

ALONE = Ranks(0, 1, torch.device("cpu"))


class Looker(nn.Module):
    """Logits from the token and from the first pixel of the image that phi names."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(10, 10)
        self.see = nn.Linear(1, 10)

    def forward(self, input_ids, attention_mask, pixel_values, image_counts, phi):
        first = image_counts.cumsum(0) - image_counts
        seen = torch.cat([torch.zeros(1), pixel_values[:, 0, 0, 0, 0]])
        number = torch.where(phi > 0, first[:, None] + phi, 0)
        return SimpleNamespace(logits=self.embed(input_ids) + self.see(seen[number][..., None]))


def batch(rows: list[list[int]], images: list[int]) -> Batch:
    """Rows of tokens, 9 for the image tag; image i shows the number `images[i]`."""
    ids = torch.tensor(rows)
    tags = ids == 9
    return Batch(
        keys=[str(row) for row in rows],
        input_ids=ids,
        attention_mask=(ids > 0).long(),
        labels=ids.masked_fill(tags | (ids == 0), IGNORED),
        phi=tags.long().cumsum(1),
        pixel_values=torch.tensor(images, dtype=torch.float32).view(-1, 1, 1, 1, 1).expand(-1, 1, 3, 2, 2).clone(),
        image_counts=tags.sum(1),
    )


LONG, SHORT = [9, 1, 2, 3, 4], [9, 5, 0, 0, 0]


def updated(batches: list[Batch]) -> tuple[float, list[torch.Tensor]]:
    model = Looker()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    report = update(model, optimizer, [Share("a", 1.0, batches)], ALONE, precision="fp32", clip=1e9)
    return report.loss, [p.detach() for p in model.parameters()]


def test_micro_batches_of_unequal_length_add_up_to_the_whole_batch():
    whole_loss, whole = updated([batch([LONG, SHORT], [3, 7])])
    split_loss, split = updated([batch([LONG], [3]), batch([SHORT], [7])])
    assert split_loss == pytest.approx(whole_loss, rel=1e-6)
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one, other)


def gradients(shares: list[Share]) -> list[torch.Tensor]:
    model = Looker()
    before = [p.detach().clone() for p in model.parameters()]
    update(model, torch.optim.SGD(model.parameters(), lr=1.0), shares, ALONE, precision="fp32", clip=1e9)
    return [b - p.detach() for p, b in zip(model.parameters(), before, strict=True)]


def test_the_gradients_of_the_sources_add_up_each_by_its_weight_and_its_own_tokens():
    """However many tokens one of them has."""
    long, short = Share("a", 1.0, [batch([LONG, LONG], [3, 4])]), Share("b", 0.2, [batch([SHORT], [7])])
    both = gradients([long, short])
    alone = gradients([long]), gradients([Share("b", 1.0, short.batches)])
    for together, first, second in zip(both, *alone, strict=True):
        torch.testing.assert_close(together, first + 0.2 * second)


def test_each_source_has_a_loss_of_its_own():
    model = Looker()
    shares = [Share("a", 1.0, [batch([LONG], [3])]), Share("b", 0.2, [batch([SHORT], [7])])]
    report = update(model, torch.optim.SGD(model.parameters(), lr=0.0), shares, ALONE, precision="fp32", clip=1.0)
    single = [
        update(
            Looker(),
            torch.optim.SGD(Looker().parameters(), lr=0.0),
            [Share("x", 1.0, s.batches)],
            ALONE,
            precision="fp32",
            clip=1.0,
        )
        for s in shares
    ]
    assert report.losses == pytest.approx({"a": single[0].loss, "b": single[1].loss})


def test_the_norm_of_the_gradients_is_clipped():
    model = Looker()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    report = update(model, optimizer, [Share("a", 1.0, [batch([LONG], [3])])], ALONE, precision="fp32", clip=0.01)
    moved = sum((p - b).square().sum() for p, b in zip(model.parameters(), before, strict=True)).sqrt()
    assert report.gradient_norm > 0.1
    assert moved.item() == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_that_is_not_finite_is_never_applied():
    model = Looker()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    bad = batch([LONG], [3])
    bad.pixel_values[:] = float("inf")
    with pytest.raises(NonFiniteError):
        update(model, optimizer, [Share("a", 1.0, [bad])], ALONE, precision="fp32", clip=1.0)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_shuffled_images_are_those_of_other_samples():
    shuffled = shuffle_images(batch([[9, 1, 9, 2], [9, 3, 9, 4]], [10, 11, 20, 21]))
    assert shuffled.pixel_values[:, 0, 0, 0, 0].tolist() == [20, 21, 10, 11]
    assert shuffled.image_counts.tolist() == [2, 2]


def test_a_model_that_looks_loses_by_shuffled_images_and_one_that_does_not_loses_nothing():
    model = Looker()
    held_out = [(batch([[9, 1], [9, 2]], [-5, 5]), True)]
    with torch.no_grad():
        model.see.bias.zero_()
        model.see.weight.zero_()
        blind = held_out_loss(model, held_out, ALONE, precision="fp32")
        model.see.weight[1], model.see.weight[2] = -1.0, 1.0
    looking = held_out_loss(model, held_out, ALONE, precision="fp32")
    assert blind.look == 0
    assert looking.look > 1
    assert looking.right < blind.right


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
