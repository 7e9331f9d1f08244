"""Prompts of one batch as tensors: left-padded text, all pictures row by row.

Shapes: B rows, L tokens, N images, T frames, S side of the square in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt, ready for the model."""

    ids: list[int]
    pixels: list[Tensor]
    """frames_T3SS of each picture, in the order of the tags."""


@dataclass(frozen=True, slots=True)
class Batch:
    input_ids_BL: Tensor
    mask_BL: Tensor
    pixels: Tensor | None
    """[N, T, 3, S, S]"""
    counts_B: Tensor

    def arguments(self) -> dict[str, Tensor]:
        """As `Flamingo.forward` and `generate` take them."""
        found = {"input_ids": self.input_ids_BL, "attention_mask": self.mask_BL, "image_counts": self.counts_B}
        return found if self.pixels is None else {**found, "pixel_values": self.pixels}


def batch_of(rows: list[Row], padding: int, device: torch.device) -> Batch:
    """The rows as one batch; raises ValueError if their pictures differ in frames."""
    longest = max(len(row.ids) for row in rows)
    ids = [[padding] * (longest - len(row.ids)) + row.ids for row in rows]
    mask = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
    pixels = [each for row in rows for each in row.pixels]
    if len({len(each) for each in pixels}) > 1:
        raise ValueError(f"pictures of {sorted({len(each) for each in pixels})} frames cannot stand in one batch")
    return Batch(
        torch.tensor(ids, device=device),
        torch.tensor(mask, device=device),
        torch.stack(pixels).to(device) if pixels else None,
        torch.tensor([len(row.pixels) for row in rows], device=device),
    )
