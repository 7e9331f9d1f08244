"""The cache of a generation: the language model's keys and values, and those of every image, computed once.

Shapes: B rows, N images, R visual tokens of an image, H heads, D head width, P images of the fullest row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from m3w.model.phi import image_table


def nothing_first(x_NRHD: Tensor) -> Tensor:
    """x_(N + 1)RHD with zeros for "no image" in front: attention to zero keys and values gives exactly zero."""
    return F.pad(x_NRHD, (0, 0, 0, 0, 0, 0, 1, 0))


class FlamingoCache(DynamicCache):  # type: ignore[misc]
    """A transformers cache that also holds the images: packed, not per beam, each beam's row naming its own.

    `table_BP` has the packed number of each row's images (the first column is 0, "nothing"), `counts_B` how many.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_keys_values: dict[int, tuple[Tensor, Tensor]] = {}
        self.images = 0
        """Packed images, over all rows."""
        self.table_BP: Tensor | None = None
        self.counts_B: Tensor | None = None
        self.sight: Any = None
        """Of the call in progress, for language models that hand their blocks no keyword arguments but the cache."""

    def holds(self, number: int) -> bool:
        """Whether cross-attention block `number` has stored its keys and values."""
        return number in self.image_keys_values

    def append_images(self, number: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add new images' k_NRHD and v_NRHD for cross-attention block `number`; returns all of that block's."""
        if self.holds(number):
            old_key, old_value = self.image_keys_values[number]
            stored = torch.cat((old_key, key)), torch.cat((old_value, value))
        else:
            stored = nothing_first(key), nothing_first(value)
        self.image_keys_values[number] = stored
        return stored

    def append_rows(self, image_counts_B: Tensor, images: int, beams: int = 1) -> None:
        """Note `image_counts_B` more images, packed row by row, `images` in all; each row stands for `beams` rows."""
        counts_B = image_counts_B.repeat_interleave(beams)
        known_B = torch.zeros_like(counts_B) if self.counts_B is None else self.counts_B
        new = image_table(image_counts_B, images).repeat_interleave(beams, dim=0)
        table = new.new_zeros(len(known_B), 1) if self.table_BP is None else self.table_BP
        table = F.pad(table, (0, new.shape[1] - 1))
        to_BP = (known_B[:, None] + torch.arange(1, new.shape[1], device=new.device)).clamp(max=table.shape[1] - 1)
        shifted_BP = torch.where(new[:, 1:] > 0, new[:, 1:] + self.images, 0)
        self.table_BP = table.scatter_add(1, to_BP, shifted_BP)
        self.counts_B, self.images = known_B + counts_B, self.images + images

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Rows as `beam_idx` names them; the images stay where they are."""
        super().reorder_cache(beam_idx)
        self._map_rows(lambda rows: rows[beam_idx.to(rows.device)])

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Every row `repeats` times."""
        super().batch_repeat_interleave(repeats)
        self._map_rows(lambda rows: rows.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Only the rows that `indices` names."""
        super().batch_select_indices(indices)
        self._map_rows(lambda rows: rows[indices])

    def reset(self) -> None:
        """Forget text and images."""
        super().reset()
        self.image_keys_values, self.images, self.table_BP, self.counts_B = {}, 0, None, None

    def _map_rows(self, change: Any) -> None:
        if self.table_BP is not None and self.counts_B is not None:
            self.table_BP, self.counts_B = change(self.table_BP), change(self.counts_B)


def with_room_for_images(cache: Any) -> FlamingoCache | None:
    """The cache of a call, if any; raises ValueError for one of another class."""
    if cache is None or isinstance(cache, FlamingoCache):
        return cache
    raise ValueError(
        f"past_key_values is a {type(cache).__name__}, which has no place for images, so later tokens could not see "
        "them; pass a model.cache.FlamingoCache"
    )
