"""What a model knows of pages it was not trained on, and whether it looks at their pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn

from trainer.data.collate import Batch
from trainer.data.lanes import LaneDataset
from trainer.loss import autocast, loss_sum
from trainer.ranks import Ranks


@dataclass(frozen=True, slots=True)
class HeldOutLoss:
    """Nats per token of the same windows, with the right images and with those of other samples."""

    right: float
    shuffled: float

    @property
    def look(self) -> float:
        """The look test: what the right images are worth, in nats per token; 0 if the model doesn't look."""
        return self.shuffled - self.right


@torch.no_grad()
def held_out_loss(model: nn.Module, batches: Iterable[Batch], ranks: Ranks, *, precision: str) -> HeldOutLoss:
    """The losses of all ranks' batches together; each rank gives its own."""
    training = model.training
    model.eval()
    right = shuffled = tokens = 0.0
    for batch in batches:
        batch = batch.to(ranks.device)
        with autocast(ranks.device, precision):
            right += float(loss_sum(model, batch))
            shuffled += float(loss_sum(model, shuffle_images(batch)))
        tokens += batch.loss_tokens
    model.train(training)
    right, shuffled, tokens = ranks.sum([right, shuffled, tokens])
    return HeldOutLoss(right / max(1.0, tokens), shuffled / max(1.0, tokens))


def shuffle_images(batch: Batch) -> Batch:
    """The batch with every image moved half the batch's images on: each sample has as many as it had, of others.

    A sample with more than half of the images keeps some of its own; that makes the look test smaller.
    """
    return replace(batch, pixel_values=batch.pixel_values.roll(len(batch.pixel_values) // 2, dims=0))


def rank_batches(dataset: LaneDataset, batches: int, ranks: Ranks) -> Iterable[Batch]:
    """This rank's share of the first `batches` batches of a dataset of one micro-batch a step."""
    assert dataset.micro_batches == 1
    return (dataset[item] for item in range(ranks.rank, batches, ranks.count))
