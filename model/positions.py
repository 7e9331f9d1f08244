"""Positions of padded text.

Shapes: B rows, L tokens of the call, A tokens of the mask (with those in the cache).
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from transformers import PreTrainedModel

POSITIONS_FROM_MASK = frozenset({"opt"})
"""Families that derive positions from the mask themselves, in a count of their own."""


def position_ids_of(language_model: PreTrainedModel, mask_BA: Tensor | None, tokens: int) -> Tensor | None:
    """position_ids_BL that start at 0 at each row's first token, so that padding at the left changes nothing.

    Padding at the right, and rows without any, get the positions they have without this. None where there is
    no mask, or the language model derives positions from it or has none (alibi).
    """
    model_type = language_model.config.model_type
    accepts = "position_ids" in inspect.signature(type(language_model).forward).parameters
    if mask_BA is None or mask_BA.ndim != 2 or model_type in POSITIONS_FROM_MASK or not accepts:
        return None
    padding_B1 = mask_BA.argmax(dim=1, keepdim=True)
    position_A = torch.arange(mask_BA.shape[1], device=mask_BA.device)
    return (position_A - padding_B1).clamp(min=0)[:, -tokens:]
