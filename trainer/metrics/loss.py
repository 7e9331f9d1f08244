"""The loss of a batch, and the held-out loss with the right and with shuffled images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from m3w.model.loss import next_token_loss
from m3w.trainer.data.batch_slots import BatchSlotDataset
from m3w.trainer.data.collate import Batch
from m3w.trainer.distributed.precision import autocast
from m3w.trainer.distributed.ranks import Ranks


def loss_sum(model: nn.Module, batch: Batch) -> Tensor:
    """float32 scalar: the cross-entropy (nats) of the batch, summed over its tokens with a loss.

    A sum and not a mean: micro-batches differ in their number of tokens, and a mean of means would give the tokens of
    short pages more weight.
    """
    return next_token_loss(batch.labels, model(**batch.inputs()).logits, items=1)


@dataclass(frozen=True, slots=True)
class HeldOutLoss:
    """Nats per token of the same windows, with their own images and with those of other samples."""

    right: float
    shuffled: float

    @property
    def look(self) -> float:
        """The look test: the gain of the right images in nats per token; 0 if the model ignores images."""
        return self.shuffled - self.right


@torch.no_grad()
def held_out_loss(
    model: nn.Module, batches: Iterable[tuple[Batch, bool]], ranks: Ranks, *, precision: str
) -> HeldOutLoss:
    """The losses over the batches of all ranks. Each rank has equally many, each with whether it counts."""
    training = model.training
    model.eval()
    right = shuffled = tokens = 0.0
    for batch, counts in batches:
        batch = batch.to(ranks.device)
        with autocast(ranks.device, precision):
            losses = float(loss_sum(model, batch)), float(loss_sum(model, shuffle_images(batch)))
        if counts:
            right, shuffled, tokens = right + losses[0], shuffled + losses[1], tokens + batch.loss_tokens
    model.train(training)
    right, shuffled, tokens = ranks.sum([right, shuffled, tokens])
    return HeldOutLoss(right / max(1.0, tokens), shuffled / max(1.0, tokens))


def shuffle_images(batch: Batch) -> Batch:
    """The batch with its images rotated by half their number: each sample gets as many images of other samples.

    A sample with more than half of the images keeps some of its own, which lowers the look test.
    """
    return replace(batch, pixel_values=batch.pixel_values.roll(len(batch.pixel_values) // 2, dims=0))


def rank_batches(dataset: BatchSlotDataset, batches: int, ranks: Ranks) -> Iterable[tuple[Batch, bool]]:
    """This rank's share of the first `batches` batches of a dataset with one micro-batch a step.

    All ranks get equally many, since the ranks of a sharded model run it together. An excess one is the last of its
    rank and does not count.
    """
    assert dataset.micro_batches == 1
    for first in range(0, batches, ranks.count):
        item = first + ranks.rank
        yield dataset[min(item, batches - 1)], item < batches
