"""Position ids of padded text and of documents packed into one row.

Shapes: B rows, L tokens of the call, A tokens of the mask (with those in the cache).
"""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from transformers import PreTrainedModel

POSITIONS_FROM_MASK = frozenset({"opt"})
"""Families that derive positions from the mask in their own way."""


def position_ids_of(language_model: PreTrainedModel, mask_BA: Tensor | None, tokens: int) -> Tensor | None:
    """position_ids_BL that start at 0 at each row's first token, so that padding at the left has no effect.

    Rows without padding, or with padding at the right, get their usual positions. None if there is no mask, or if the
    language model derives positions from it or has none (ALiBi).
    """
    model_type = language_model.config.model_type
    accepts = "position_ids" in inspect.signature(type(language_model).forward).parameters
    if mask_BA is None or mask_BA.ndim != 2 or model_type in POSITIONS_FROM_MASK or not accepts:
        return None
    padding_B1 = mask_BA.argmax(dim=1, keepdim=True)
    position_A = torch.arange(mask_BA.shape[1], device=mask_BA.device)
    return (position_A - padding_B1).clamp(min=0)[:, -tokens:]


PACKED_BY_MASK = frozenset({"opt", "mpt"})
"""Families whose attention crosses a return of the positions to 0, but which accept a mask that prevents it."""


def packed_arguments(language_model: PreTrainedModel, position_ids_BL: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """The arguments that tell the language model where the documents of packed rows begin: positions from 0 in each.

    Without mask and cache, transformers 5 infers the documents from them. Families that don't get an additive mask
    [B, 1, L, L]; their ALiBi is counted along the row, which adds the same number to all keys of a document.
    """
    model_type = language_model.config.model_type
    accepts = "position_ids" in inspect.signature(type(language_model).forward).parameters
    arguments = {"position_ids": position_ids_BL} if accepts else {}
    if model_type not in PACKED_BY_MASK:
        return arguments
    document_BL = position_ids_BL.eq(0).cumsum(1)
    seen_BLL = (document_BL[:, :, None] == document_BL[:, None, :]).tril()
    mask = torch.zeros(seen_BLL.shape, dtype=dtype, device=seen_BLL.device)
    return {**arguments, "attention_mask": mask.masked_fill(~seen_BLL, torch.finfo(dtype).min)[:, None]}
