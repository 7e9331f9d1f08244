"""Gated cross-attention dense blocks: how a frozen language model sees.

Flamingo (arXiv 2204.14198), section 3.1.2 and the pseudo-code of appendix A.1.2.

Shapes: B rows, L tokens, W width, N images, R visual tokens of an image, M their width, H heads, D head width, P images
of the fullest row, K tiles of t tokens (model/phi.py), I = H x D.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from m3w.model.cache import FlamingoCache, nothing_first
from m3w.model.config import FlamingoConfig
from m3w.model.layers import AttentionProjections, FeedForward, attention, initialize
from m3w.model.phi import TileIndex


class Visible(NamedTuple):
    """What the tokens of one call may see; the same for every block."""

    tiles: TileIndex | None
    """Of `attend = one`."""
    table_BP: Tensor | None
    """Of `attend = all_previous`: the batch's number (from 1) of each row's images, the first column 0: nothing."""
    phi_BL: Tensor


class Sight(NamedTuple):
    """What is passed with a call to the wrapped blocks: the images and who may see which."""

    latents_NRM: Tensor
    visible: Visible
    cache: FlamingoCache | None


class GatedCrossAttention(GradientCheckpointingLayer):  # type: ignore[misc]
    """x + tanh(a) attention(x, images), then x + tanh(b) feed_forward(x), with a = b = 0 at the start.

    A token that sees no image gets zero from the attention; the feed-forward layer it passes as any other.
    Deviation from the paper: the norm before attention, which its pseudo-code leaves out.
    """

    def __init__(self, config: FlamingoConfig, number: int) -> None:
        super().__init__()
        self.number = number
        width = config.text_config.hidden_size
        self.norm = nn.LayerNorm(width)
        self.attention = AttentionProjections(
            width, config.visible_width, heads=config.cross_attention_heads, head_dim=config.head_dim
        )
        multiple, activation = config.feed_forward_multiple, config.activation
        self.feed_forward = FeedForward(width, multiple=multiple, activation=activation)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.feed_forward_gate = nn.Parameter(torch.zeros(1))
        initialize(self, config.initializer_range)

    def forward(
        self, x_BLW: Tensor, latents_NRM: Tensor, visible: Visible, cache: FlamingoCache | None = None
    ) -> Tensor:
        """x_BLW. `latents_NRM` are the images that this call brings; those of earlier calls are in `cache`."""
        key, value = self._keys_values(latents_NRM.to(x_BLW.dtype), cache)
        query = self.attention.queries(self.norm(x_BLW))
        seen = (
            attend_all(query, key, value, visible) if visible.tiles is None else attend_one(query, key, value, visible)
        )
        x_BLW = x_BLW + (self.attention.out(seen) * self.attention_gate.tanh()).to(x_BLW.dtype)
        hidden_BLW: Tensor = self.feed_forward(x_BLW) * self.feed_forward_gate.tanh()
        return x_BLW + hidden_BLW.to(x_BLW.dtype)

    def _keys_values(self, latents_NRM: Tensor, cache: FlamingoCache | None) -> tuple[Tensor, Tensor]:
        """k and v, each (N + 1)RHD: of nothing (zeros, so that what sees it gets zero), then of the images."""
        if cache is not None and cache.holds(self.number) and len(latents_NRM) == 0:
            return cache.image_keys_values[self.number]
        key, value = self.attention.keys_values(latents_NRM)
        if cache is not None:
            return cache.append_images(self.number, key, value)
        return nothing_first(key), nothing_first(value)


def attend_one(q_BLHD: Tensor, key: Tensor, value: Tensor, visible: Visible) -> Tensor:
    """seen_BLI: every token attends to the one image that phi names, tile by tile, without a mask."""
    tiles = visible.tiles
    assert tiles is not None
    q_SHD = q_BLHD.flatten(0, 1)[tiles.token_of_slot_S]
    q_KtHD = q_SHD.view(len(tiles.image_of_tile_K), -1, *q_SHD.shape[1:])
    seen_KtI = attention(q_KtHD, key[tiles.image_of_tile_K], value[tiles.image_of_tile_K])
    return seen_KtI.flatten(0, 1)[tiles.slot_of_token_T].view(*q_BLHD.shape[:2], seen_KtI.shape[-1])


def attend_all(q_BLHD: Tensor, key: Tensor, value: Tensor, visible: Visible) -> Tensor:
    """seen_BLI: every token attends to the image that phi names and all before it in its row, under a mask."""
    assert visible.table_BP is not None
    k_BKHD, v_BKHD = key[visible.table_BP].flatten(1, 2), value[visible.table_BP].flatten(1, 2)
    number_P = torch.arange(visible.table_BP.shape[1], device=key.device)
    phi = visible.phi_BL[..., None]
    mask_BLP = (number_P <= phi) & ((number_P > 0) | (phi == 0))
    return attention(q_BLHD, k_BKHD, v_BKHD, mask_BLP.repeat_interleave(key.shape[1], dim=2))
