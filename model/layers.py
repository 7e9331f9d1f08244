"""Layers that the resampler and the cross-attention share.

Shapes: N batch, Q queries, K keys, H heads, D head width, W width, M width of what is attended to,
I = H x D.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def activate(x: Tensor, activation: str) -> Tensor:
    """`squared_relu` (Flamingo, table 4) or `gelu` (OpenFlamingo) of every element."""
    return F.relu(x).square() if activation == "squared_relu" else F.gelu(x)


class FeedForward(nn.Module):
    """x_NQW to x_NQW: norm, expand, activate, contract. The matrices have no biases."""

    def __init__(self, width: int, *, multiple: float, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, int(width * multiple), bias=False)
        self.contract = nn.Linear(int(width * multiple), width, bias=False)

    def forward(self, x_NQW: Tensor) -> Tensor:
        hidden = activate(self.expand(self.norm(x_NQW)), self.activation)
        contracted_NQW: Tensor = self.contract(hidden)
        return contracted_NQW


class AttentionProjections(nn.Module):
    """The matrices of multi-head attention; the caller decides what attends to what."""

    def __init__(self, width: int, memory_width: int, *, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, heads * head_dim, bias=False)
        self.key_value = nn.Linear(memory_width, 2 * heads * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, width, bias=False)

    def queries(self, x_NQW: Tensor) -> Tensor:
        """q_NQHD."""
        q_NQI: Tensor = self.query(x_NQW)
        return q_NQI.view(*q_NQI.shape[:-1], self.heads, q_NQI.shape[-1] // self.heads)

    def keys_values(self, x_NKM: Tensor) -> tuple[Tensor, Tensor]:
        """k_NKHD and v_NKHD."""
        kv: Tensor = self.key_value(x_NKM)
        key, value = kv.view(*kv.shape[:-1], 2, self.heads, kv.shape[-1] // (2 * self.heads)).unbind(-3)
        return key, value


def attention(q_NQHD: Tensor, k_NKHD: Tensor, v_NKHD: Tensor, mask_NQK: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, heads merged: out_NQ(HD). True in the mask: attended to."""
    mask = None if mask_NQK is None else mask_NQK.unsqueeze(1)
    q, k, v = (x.transpose(1, 2) for x in (q_NQHD, k_NKHD, v_NKHD))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


@torch.no_grad()
def initialize(module: nn.Module, std: float) -> None:
    """Initialises new weights: normal with `std`, norms at one and zero. Gates stay at zero."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            part.weight.normal_(0.0, std)
        elif isinstance(part, nn.LayerNorm):
            part.reset_parameters()
