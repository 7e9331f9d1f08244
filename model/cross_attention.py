"""Gated cross-attention dense blocks, by which a frozen language model attends to images.

Flamingo (arXiv 2204.14198), section 3.1.2 and the pseudo-code of appendix A.1.2.

Shapes: B rows, L tokens, W width, N images, R visual tokens of an image, M their width, H heads, D head width, P images
of the fullest row, K tiles of t tokens (model/phi.py), I = H x D.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from m3w.model.cache import FlamingoCache, with_null_image
from m3w.model.config import FlamingoConfig
from m3w.model.layers import AttentionProjections, FeedForward, attention, initialize
from m3w.model.phi import TileIndex


class AttentionMap(NamedTuple):
    """Which images the tokens of a call attend to; the same for every block."""

    tiles: TileIndex | None
    """For `attend = one`."""
    table_BP: Tensor | None
    """For `attend = all_previous`: the batch's number (from 1) of each row's images; the first column is 0, the null
    image."""
    phi_BL: Tensor


class VisionContext(NamedTuple):
    """What the wrapped blocks get in a call: the images, and which tokens attend to which."""

    latents_NRM: Tensor
    attention_map: AttentionMap
    cache: FlamingoCache | None


class GatedCrossAttention(GradientCheckpointingLayer):  # type: ignore[misc]
    """x + tanh(a) attention(x, images), then x + tanh(b) feed_forward(x), with a = b = 0 at the start.

    For a token without an image the attention gives zero; the feed-forward layer applies to all tokens.
    Deviation from the paper: the norm before attention, which its pseudo-code leaves out.
    """

    def __init__(self, config: FlamingoConfig, number: int) -> None:
        super().__init__()
        self.number = number
        width = config.text_config.hidden_size
        self.norm = nn.LayerNorm(width)
        self.attention = AttentionProjections(
            width, config.visual_token_width, heads=config.cross_attention_heads, head_dim=config.head_dim
        )
        multiple, activation = config.feed_forward_multiple, config.activation
        self.feed_forward = FeedForward(width, multiple=multiple, activation=activation)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.feed_forward_gate = nn.Parameter(torch.zeros(1))
        initialize(self, config.initializer_range)

    def forward(
        self, x_BLW: Tensor, latents_NRM: Tensor, attention_map: AttentionMap, cache: FlamingoCache | None = None
    ) -> Tensor:
        """x_BLW. `latents_NRM` are the images of this call; those of earlier calls are in `cache`."""
        key, value = self._keys_values(latents_NRM.to(x_BLW.dtype), cache)
        query = self.attention.queries(self.norm(x_BLW))
        attended = (
            attend_all(query, key, value, attention_map)
            if attention_map.tiles is None
            else attend_one(query, key, value, attention_map)
        )
        x_BLW = x_BLW + (self.attention.out(attended) * self.attention_gate.tanh()).to(x_BLW.dtype)
        hidden_BLW: Tensor = self.feed_forward(x_BLW) * self.feed_forward_gate.tanh()
        return x_BLW + hidden_BLW.to(x_BLW.dtype)

    def _keys_values(self, latents_NRM: Tensor, cache: FlamingoCache | None) -> tuple[Tensor, Tensor]:
        """k and v, each (N + 1)RHD: of the null image (zeros), then of the images."""
        if cache is not None and cache.holds(self.number) and len(latents_NRM) == 0:
            return cache.image_keys_values[self.number]
        key, value = self.attention.keys_values(latents_NRM)
        if cache is not None:
            return cache.append_images(self.number, key, value)
        return with_null_image(key), with_null_image(value)


def attend_one(q_BLHD: Tensor, key: Tensor, value: Tensor, attention_map: AttentionMap) -> Tensor:
    """attended_BLI: every token attends to the one image that phi names, tile by tile, without a mask."""
    tiles = attention_map.tiles
    assert tiles is not None
    q_SHD = q_BLHD.flatten(0, 1)[tiles.token_of_slot_S]
    q_KtHD = q_SHD.view(len(tiles.image_of_tile_K), -1, *q_SHD.shape[1:])
    attended_KtI = attention(q_KtHD, key[tiles.image_of_tile_K], value[tiles.image_of_tile_K])
    return attended_KtI.flatten(0, 1)[tiles.slot_of_token_T].view(*q_BLHD.shape[:2], attended_KtI.shape[-1])


def attend_all(q_BLHD: Tensor, key: Tensor, value: Tensor, attention_map: AttentionMap) -> Tensor:
    """attended_BLI: every token attends to the image that phi names and all before it in its row, under a mask."""
    assert attention_map.table_BP is not None
    k_BKHD, v_BKHD = key[attention_map.table_BP].flatten(1, 2), value[attention_map.table_BP].flatten(1, 2)
    number_P = torch.arange(attention_map.table_BP.shape[1], device=key.device)
    phi = attention_map.phi_BL[..., None]
    mask_BLP = (number_P <= phi) & ((number_P > 0) | (phi == 0))
    return attention(q_BLHD, k_BKHD, v_BKHD, mask_BLP.repeat_interleave(key.shape[1], dim=2))
