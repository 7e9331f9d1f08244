"""The cache of a generation: keys and values of the language model and of every image, each computed once.

Shapes: B rows, N images, R visual tokens of an image, H heads, D head width, P images of the fullest row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from m3w.model.phi import image_table


def with_null_image(x_NRHD: Tensor) -> Tensor:
    """x_(N + 1)RHD with a null image of zeros in front: attention to zero keys and values gives exactly zero."""
    return F.pad(x_NRHD, (0, 0, 0, 0, 0, 0, 1, 0))


class FlamingoCache(DynamicCache):  # type: ignore[misc]
    """A transformers cache that also holds the images, packed, once for all beams.

    `table_BP` has the packed numbers of each row's images (the first column is 0, the null image), `counts_B` their
    number.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_keys_values: dict[int, tuple[Tensor, Tensor]] = {}
        self.images = 0
        """Number of packed images of all rows."""
        self.table_BP: Tensor | None = None
        self.counts_B: Tensor | None = None
        self.vision_context: Any = None
        """That of the call in progress, for language models that pass the cache to their blocks but no keyword
        arguments."""

    def holds(self, number: int) -> bool:
        """Whether cross-attention block `number` has stored its keys and values."""
        return number in self.image_keys_values

    def append_images(self, number: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Adds k_NRHD and v_NRHD of new images for cross-attention block `number`; returns those of all its images."""
        if self.holds(number):
            old_key, old_value = self.image_keys_values[number]
            stored = torch.cat((old_key, key)), torch.cat((old_value, value))
        else:
            stored = with_null_image(key), with_null_image(value)
        self.image_keys_values[number] = stored
        return stored

    def append_rows(self, image_counts_B: Tensor, images: int, beams: int = 1) -> None:
        """Adds `image_counts_B` images to the rows, `images` in all, packed row by row; each row is `beams` rows of
        the cache."""
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
        """Reorders the rows by `beam_idx`; the images are not moved."""
        super().reorder_cache(beam_idx)
        self._map_rows(lambda rows: rows[beam_idx.to(rows.device)])

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeats every row `repeats` times."""
        super().batch_repeat_interleave(repeats)
        self._map_rows(lambda rows: rows.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keeps the rows in `indices`."""
        super().batch_select_indices(indices)
        self._map_rows(lambda rows: rows[indices])

    def reset(self) -> None:
        """Removes text and images."""
        super().reset()
        self.image_keys_values, self.images, self.table_BP, self.counts_B = {}, 0, None, None

    def _map_rows(self, change: Any) -> None:
        if self.table_BP is not None and self.counts_B is not None:
            self.table_BP, self.counts_B = change(self.table_BP), change(self.counts_B)


def as_flamingo_cache(cache: Any) -> FlamingoCache | None:
    """The cache of a call, or None. Raises ValueError for a cache of another class."""
    if cache is None or isinstance(cache, FlamingoCache):
        return cache
    raise ValueError(
        f"past_key_values is a {type(cache).__name__}, which cannot store images, so later tokens could not attend to "
        "them; pass an m3w.model.cache.FlamingoCache"
    )
