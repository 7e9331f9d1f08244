"""One update: the gradients of all micro-batches of all ranks added up, clipped, applied."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer.data.collate import Batch
from trainer.loss import autocast, loss_sum
from trainer.ranks import Ranks


class NonFiniteError(ArithmeticError):
    """A loss or gradient that is infinite or not a number; the update was not applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What one update did, over all ranks."""

    loss: float
    """Nats per token."""
    gradient_norm: float
    """Before clipping."""
    loss_tokens: int
    tokens: int
    """Without padding."""
    places: int
    """With padding: what the model computed."""
    samples: int
    images: int
    stop: bool
    """Some rank was asked to stop."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Of this rank."""


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Batch],
    ranks: Ranks,
    *,
    precision: str,
    clip: float,
    stop: bool = False,
) -> UpdateReport:
    """Adds the gradients of `batches` (this rank's) to those of the other ranks, clips their norm and applies them.

    Raises NonFiniteError, on every rank alike, before a gradient that is not finite is applied.
    """
    counted = ranks.sum(_counts(batches, stop))
    loss_tokens, tokens, places, samples, images, stops = (int(count) for count in counted)
    # DDP averages over ranks; the loss is the mean over the tokens of all.
    scale = ranks.count / max(1, loss_tokens)
    total = torch.zeros((), device=ranks.device)
    for number, batch in enumerate(batches):
        with _synchronised(model, number == len(batches) - 1):
            with autocast(ranks.device, precision):
                loss = loss_sum(model, batch.to(ranks.device))
            (loss * scale + _touch(model)).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    gradients = [p for p in model.parameters() if p.grad is not None]
    norm = float(nn.utils.clip_grad_norm_(gradients, clip))
    if not math.isfinite(norm):
        optimizer.zero_grad()
        raise NonFiniteError(f"the gradients' norm is {norm}")
    optimizer.step()
    optimizer.zero_grad()
    return UpdateReport(
        loss=ranks.sum([float(total)])[0] / max(1, loss_tokens),
        gradient_norm=norm,
        loss_tokens=loss_tokens,
        tokens=tokens,
        places=places,
        samples=samples,
        images=images,
        stop=stops > 0,
        skipped=sum((batch.skipped for batch in batches), Counter[str]()),
    )


def _counts(batches: Sequence[Batch], stop: bool) -> list[float]:
    return [
        sum(batch.loss_tokens for batch in batches),
        sum(batch.text_tokens for batch in batches),
        sum(batch.input_ids.numel() for batch in batches),
        sum(len(batch.keys) for batch in batches),
        sum(len(batch.pixel_values) for batch in batches),
        stop,
    ]


def _synchronised(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Gradients are sent with the last micro-batch only; before, they are added up where they are."""
    if isinstance(model, DistributedDataParallel) and not last:
        return model.no_sync()
    return nullcontext()


def _touch(model: nn.Module) -> Tensor:
    """Zero, by way of every trained parameter, so that each has a gradient after every update.

    A batch without an image would leave the resampler's out: DDP would wait for them for ever, and AdamW would
    pass those parameters over in one process where it doesn't in two.
    """
    return 0.0 * torch.stack([p.flatten()[0] for p in model.parameters() if p.requires_grad]).sum()
