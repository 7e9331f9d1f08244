"""The loss: cross-entropy of the next token.

Shapes: B rows, L tokens, V columns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100


def next_token_loss(labels_BL: Tensor, logits_BLV: Tensor, items: Tensor | int | None = None) -> Tensor:
    """Mean negative log-likelihood, in float32, of labels_BL[:, 1:] under logits_BLV[:, :-1], ignoring labels of -100.

    The labels are shifted, not the logits, which would be copied. 0 if all labels are ignored. `items`, if given,
    divides the sum instead of the number of labels (for gradients accumulated over several calls).
    """
    next_BL = F.pad(labels_BL[:, 1:], (0, 1), value=IGNORED)
    total = F.cross_entropy(logits_BLV.flatten(0, 1).float(), next_BL.flatten(), ignore_index=IGNORED, reduction="sum")
    counted = (next_BL != IGNORED).sum() if items is None else torch.as_tensor(items, device=total.device)
    return total / counted.clamp(min=1)
