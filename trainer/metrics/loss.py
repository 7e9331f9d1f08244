"""What a model knows of pages it was not trained on, and whether it looks at their pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m3w.trainer.data.batch_slots import BatchSlotDataset
from m3w.trainer.data.collate import Batch
from m3w.trainer.data.windows import IGNORED
from m3w.trainer.distributed.precision import autocast
from m3w.trainer.distributed.ranks import Ranks


def loss_sum(model: nn.Module, batch: Batch) -> Tensor:
    """float32 scalar: the cross-entropy (nats) of the batch, summed over its tokens with a loss.

    A sum and not the mean that the model offers: micro-batches differ in how many tokens they have, and a
    mean of means would weigh the tokens of a short page more.
    """
    logits = model(**batch.inputs()).logits
    # The labels are shifted, not the logits, which would be copied.
    labels = F.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
    return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")


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
def held_out_loss(
    model: nn.Module, batches: Iterable[tuple[Batch, bool]], ranks: Ranks, *, precision: str
) -> HeldOutLoss:
    """The losses of all ranks' batches together. Each rank gives as many as the others, and whether each counts."""
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
    """The batch with every image moved half the batch's images on: each sample has as many as it had, of others.

    A sample with more than half of the images keeps some of its own; that makes the look test smaller.
    """
    return replace(batch, pixel_values=batch.pixel_values.roll(len(batch.pixel_values) // 2, dims=0))


def rank_batches(dataset: BatchSlotDataset, batches: int, ranks: Ranks) -> Iterable[tuple[Batch, bool]]:
    """This rank's share of the first `batches` batches of a dataset of one micro-batch a step.

    All ranks have as many, since those of a sharded model run it together; one too many is a rank's last and does not
    count.
    """
    assert dataset.micro_batches == 1
    for first in range(0, batches, ranks.count):
        item = first + ranks.rank
        yield dataset[min(item, batches - 1)], item < batches
