"""phi, the image that a token attends to, and the tokens sorted by it.

phi_BL is an integer per token: i is the i-th image of its row (counted from 1), 0 is none. Image i of a row is the i-th
`<image>` of its text. Flamingo (arXiv 2204.14198), section 3.1.3.

Every token attends to one image, so tokens are sorted into tiles that each belong to one image, and a tile attends to
the visual tokens of that image alone. This costs L + tile x images queries against one image each, where dense
attention under a mask costs L queries against every image. The number of tiles depends on shapes alone, not on phi.

Shapes: B rows, L tokens, P images of the fullest row, N images of the batch, T = B x L, K tiles, S = K x tile slots.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TILE = 32
"""Tokens of a tile. On average half a tile per image is wasted; smaller tiles copy an image's keys more often."""


def previous_image(is_image_BL: Tensor) -> Tensor:
    """phi_BL: the last image at or before the token; 0 before the first."""
    return is_image_BL.long().cumsum(dim=1)


def next_image(is_image_BL: Tensor) -> Tensor:
    """phi_BL: the first image at or after the token; 0 after the last (the paper's p_next, appendix A.3.2)."""
    phi = previous_image(is_image_BL) + is_image_BL.logical_not()
    return phi.masked_fill(phi > is_image_BL.sum(dim=1, keepdim=True), 0)


class TileIndex(NamedTuple):
    """The slots of tokens in tiles; a tuple, which torch.compile and activation checkpointing can traverse."""

    token_of_slot_S: Tensor
    slot_of_token_T: Tensor
    image_of_tile_K: Tensor
    """0 is the null image; 1 to N are the images of the batch."""


def tile_index(image_BL: Tensor, images: int) -> TileIndex:
    """The tiles of tokens that attend to image_BL (0: the null image, 1 to `images`: an image of the batch)."""
    image_T = image_BL.flatten()
    tokens, tile = len(image_T), min(TILE, image_BL.shape[1])
    count = torch.zeros(images + 1, dtype=torch.long, device=image_T.device).scatter_add(
        0, image_T, torch.ones_like(image_T)
    )
    tiles_of_image = (count + tile - 1) // tile
    last_tile = tiles_of_image.cumsum(0)
    first_slot, first_token = (last_tile - tiles_of_image) * tile, count.cumsum(0) - count
    order_T = image_T.argsort(stable=True)
    sorted_T = image_T[order_T]
    position_T = torch.arange(tokens, device=image_T.device)
    slot_T = first_slot[sorted_T] + position_T - first_token[sorted_T]
    tiles = (tokens + min(images + 1, tokens) * (tile - 1)) // tile
    token_of_slot_S = torch.zeros(tiles * tile, dtype=torch.long, device=image_T.device).scatter(0, slot_T, order_T)
    slot_of_token_T = torch.zeros_like(image_T).scatter(0, order_T, slot_T)
    image_of_tile_K = torch.searchsorted(last_tile, torch.arange(tiles, device=image_T.device), right=True)
    return TileIndex(token_of_slot_S, slot_of_token_T, image_of_tile_K.clamp(max=images))


def image_table(image_counts_B: Tensor, images: int) -> Tensor:
    """table_B(P + 1): the batch's number (from 1) of each row's i-th image; 0 at i = 0 and after the row's last."""
    first_B = image_counts_B.cumsum(0) - image_counts_B
    widest = int(image_counts_B.max()) if len(image_counts_B) and images else 0
    number_P = torch.arange(widest + 1, device=image_counts_B.device)
    table = first_B[:, None] + number_P
    return table.masked_fill((number_P == 0) | (number_P > image_counts_B[:, None]), 0)
