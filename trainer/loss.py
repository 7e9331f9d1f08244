"""The loss of a step: cross-entropy per token, normalised by the tokens of all ranks and micro-batches."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m3w.trainer.data.collate import Batch
from m3w.trainer.data.windows import IGNORED


def loss_sum(model: nn.Module, batch: Batch) -> Tensor:
    """float32 scalar: the cross-entropy (nats) of the batch, summed over its tokens with a loss.

    A sum and not the mean that the model offers: micro-batches differ in how many tokens they have, and a
    mean of means would weigh the tokens of a short page more.
    """
    logits = model(**batch.inputs()).logits
    # The labels are shifted, not the logits, which would be copied.
    labels = F.pad(batch.labels[:, 1:], (0, 1), value=IGNORED)
    return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")


def in_bf16(device: torch.device, precision: str) -> bool:
    """Whether `precision` says so, or is `auto` and the device is a GPU."""
    return precision == "bf16" or (precision == "auto" and device.type == "cuda")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """bf16 activations where `in_bf16` says so."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=in_bf16(device, precision))
