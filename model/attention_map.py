"""The attention map of a call: which images each token attends to, from the `<image>` tags, image counts and phi.

Shapes: B rows, L tokens, N images, P images of the fullest row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from m3w.model.cache import FlamingoCache
from m3w.model.cross_attention import AttentionMap
from m3w.model.phi import image_table, previous_image, tile_index


def build_attention_map(
    is_image_BL: Tensor,
    images: int,
    image_counts_B: Tensor | None,
    phi_BL: Tensor | None,
    cache: FlamingoCache | None,
    *,
    attend: str,
    beams: int,
) -> AttentionMap:
    """The attention map of all cross-attention blocks. New images are added to the cache. Raises ValueError as
    described in `Flamingo.forward`."""
    tags_B = is_image_BL.sum(dim=1)
    if image_counts_B is None:
        new_B = tags_B[::beams] if images else torch.zeros_like(tags_B[::beams])
    else:
        new_B = image_counts_B.to(tags_B.device, torch.long)
    if not torch.compiler.is_compiling():
        _check_counts(tags_B, new_B, images, beams, continues=cache is not None and cache.counts_B is not None)
    known_B, all_B, table_BP = _add_images(new_B, images, cache, beams, whole_table=attend == "all_previous")
    if phi_BL is None:
        phi_BL = torch.minimum(previous_image(is_image_BL) + known_B[:, None], all_B[:, None])
    else:
        phi_BL = phi_BL.long()
        if not torch.compiler.is_compiling():
            _check_phi(phi_BL, is_image_BL, all_B)
    if attend == "all_previous":
        return AttentionMap(None, table_BP, phi_BL)
    if table_BP is not None:
        image_BL = table_BP.gather(1, phi_BL)
    else:
        first_B = (new_B.cumsum(0) - new_B).repeat_interleave(beams)
        image_BL = torch.where(phi_BL > 0, first_B[:, None] + phi_BL, 0)
    return AttentionMap(tile_index(image_BL, images if cache is None else cache.images), table_BP, phi_BL)


def _add_images(
    new_B: Tensor, images: int, cache: FlamingoCache | None, beams: int, *, whole_table: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The number of images of each row before the call and after it, and the table of their packed numbers if
    needed."""
    if cache is None:
        all_B = new_B.repeat_interleave(beams)
        table_BP = image_table(new_B, images).repeat_interleave(beams, dim=0) if whole_table else None
        return torch.zeros_like(all_B), all_B, table_BP
    known_B = cache.counts_B
    if known_B is None or images:
        cache.append_rows(new_B, images, beams)
    assert cache.counts_B is not None
    return torch.zeros_like(cache.counts_B) if known_B is None else known_B, cache.counts_B, cache.table_BP


def _check_counts(tags_B: Tensor, counts_B: Tensor, images: int, beams: int, *, continues: bool) -> None:
    if len(counts_B) * beams != len(tags_B):
        raise ValueError(
            f"image_counts has {len(counts_B)} entries and input_ids {len(tags_B)} rows, so it is unknown which "
            "images belong to which row; give one count for each row"
        )
    tags, counts = tags_B[::beams].tolist(), counts_B.tolist()
    if sum(counts) != images or min(counts, default=0) < 0:
        raise ValueError(
            f"image_counts {counts} add up to {sum(counts)} and pixel_values has {images} images; give the number of "
            "images of each row, in order"
        )
    if continues and images == 0:
        return  # a tag that the language model generated has no image
    for row, (tagged, counted) in enumerate(zip(tags, counts, strict=True)):
        if tagged != counted:
            raise ValueError(
                f"row {row} has {tagged} <image> tags and {counted} images, so text and images cannot be matched (all "
                f"rows: tags {tags}, images {counts}); give one image for each tag"
            )


def _check_phi(phi_BL: Tensor, is_image_BL: Tensor, all_B: Tensor) -> None:
    if phi_BL.shape != is_image_BL.shape:
        raise ValueError(
            f"phi has shape {list(phi_BL.shape)} and input_ids {list(is_image_BL.shape)}, so it is unknown which "
            "image each token attends to; give one number for each token"
        )
    low, high = phi_BL.amin(dim=1).tolist(), phi_BL.amax(dim=1).tolist()
    for row, (least, most, images) in enumerate(zip(low, high, all_B.tolist(), strict=True)):
        if least < 0 or most > images:
            raise ValueError(
                f"phi of row {row} goes from {least} to {most} and the row has {images} images; it must be "
                f"from 0 (none) to {images}"
            )
