"""One update: the gradients of all micro-batches of all ranks are summed, clipped and applied by AdamW."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from m3w.trainer.data.collate import Batch
from m3w.trainer.data.mixture import Share
from m3w.trainer.distributed.gradients import clip as clip_gradients
from m3w.trainer.distributed.gradients import fill_missing, synchronised, touch
from m3w.trainer.distributed.precision import autocast
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.metrics.loss import loss_sum
from m3w.trainer.metrics.progress import UpdateReport
from m3w.trainer.recipe import OptimizerRecipe


class NonFiniteError(ArithmeticError):
    """A loss or gradient norm that is infinite or NaN; the update was not applied."""

    def __init__(self, message: str, ranks: Sequence[int]) -> None:
        super().__init__(message)
        self.ranks = ranks
        """The ranks whose loss is not finite; all of them if every loss is finite."""


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    shares: Sequence[Share],
    ranks: Ranks,
    *,
    precision: str,
    clip: float,
    stop: bool = False,
    reduce_every_micro_batch: bool = False,
) -> UpdateReport:
    """Sums the gradients of `shares` (this rank's) and those of the other ranks, clips their norm and applies them.

    The loss is the sum over sources of weight x mean cross-entropy over the source's tokens of all ranks. Raises
    NonFiniteError on every rank, without applying the gradients, if a loss or the norm is not finite.
    """
    counts = _global_counts(shares, ranks, stop)
    last = sum(len(share.batches) for share in shares) - 1
    number, totals = 0, []
    for share, count in zip(shares, counts, strict=True):
        # DDP averages over ranks; the loss is the mean over the tokens of all.
        scale = share.weight * ranks.count / max(1, count.loss_tokens)
        total = torch.zeros((), device=ranks.device)
        for batch in share.batches:
            with synchronised(model, last=number == last, every=reduce_every_micro_batch):
                with autocast(ranks.device, precision):
                    loss = loss_sum(model, batch.to(ranks.device))
                (loss * scale + touch(model)).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            number += 1
        totals.append(float(total))
    fill_missing(model)
    norms = clip_gradients(model, clip)
    norm, sums = math.hypot(*norms.values()), ranks.sum(totals)
    if not all(map(math.isfinite, (norm, *sums))):
        optimizer.zero_grad()
        raise _non_finite(totals, norm, ranks)
    optimizer.step()
    optimizer.zero_grad()
    return UpdateReport(
        losses={
            share.name: total / max(1, count.loss_tokens)
            for share, total, count in zip(shares, sums, counts, strict=True)
        },
        gradient_norm=norm,
        gradient_norms=norms,
        loss_tokens=sum(count.loss_tokens for count in counts),
        tokens=sum(count.tokens for count in counts),
        padded_tokens=sum(count.padded_tokens for count in counts),
        samples=sum(count.samples for count in counts),
        squared_lengths=sum(count.squared_lengths for count in counts),
        images=sum(count.images for count in counts),
        frames=sum(count.frames for count in counts),
        stop=any(count.stops for count in counts),
        skipped=sum((batch.skipped for share in shares for batch in share.batches), Counter[str]()),
    )


def _non_finite(totals: Sequence[float], norm: float, ranks: Ranks) -> NonFiniteError:
    """The error, the same on every rank. All ranks must call it."""
    own = not all(map(math.isfinite, totals))
    flags = ranks.sum([float(own and rank == ranks.rank) for rank in range(ranks.count)])
    failed = [rank for rank, flag in enumerate(flags) if flag]
    if not failed:
        return NonFiniteError(f"the gradients' norm is {norm} with every loss finite", range(ranks.count))
    return NonFiniteError(f"the loss is not finite on rank {', '.join(map(str, failed))} of {ranks.count}", failed)


class _Counts(NamedTuple):
    """Counts of one source over all ranks; the fields of `UpdateReport`."""

    loss_tokens: int
    tokens: int
    padded_tokens: int
    squared_lengths: int
    samples: int
    images: int
    frames: int
    stops: int


def _global_counts(shares: Sequence[Share], ranks: Ranks, stop: bool) -> list[_Counts]:
    """The counts of each source, summed over ranks in one message."""
    own = [count for share in shares for count in _own_counts(share.batches, stop)]
    width = len(_Counts._fields)
    total = [int(count) for count in ranks.sum(own)]
    return [_Counts(*total[start : start + width]) for start in range(0, len(total), width)]


def _own_counts(batches: Sequence[Batch], stop: bool) -> list[float]:
    return [
        sum(batch.loss_tokens for batch in batches),
        sum(batch.text_tokens for batch in batches),
        sum(batch.input_ids.numel() for batch in batches),
        sum(batch.input_ids.numel() * batch.input_ids.shape[1] for batch in batches),
        sum(len(batch.keys) for batch in batches),
        sum(len(batch.pixel_values) for batch in batches),
        sum(batch.pixel_values.shape[0] * batch.pixel_values.shape[1] for batch in batches),
        stop,
    ]


def make_optimizer(model: nn.Module, recipe: OptimizerRecipe) -> torch.optim.AdamW:
    """AdamW over the trained parameters, without weight decay on the resampler (arXiv 2204.14198, appendix B.1.2).

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
    """Whether the parameter `name` belongs to the Perceiver Resampler."""
    return "resampler" in name.split(".")


def learning_rate(step: int, steps: int, recipe: OptimizerRecipe) -> float:
    """The learning rate of update `step`, counted from 0, of `steps`: warm-up, constant, cool-down if there is one."""
    warm = (step + 1) / max(1, recipe.warmup_steps)
    cool = (steps - step) / max(1, recipe.cooldown_steps)
    return recipe.learning_rate * min(1.0, warm, cool)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
