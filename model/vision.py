"""Frames to features with any vision encoder: CLIP, SigLIP, SigLIP2, DINOv2, timm.

Shapes: M frames, C = 3 channels, H and W pixels, S features, V their width, G x G patches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

SUMMARY_TOKENS = {"clip_vision_model": 1, "dinov2": 1, "vit": 1}
"""Number of leading features that summarise the frame. They are dropped, since the resampler summarises."""


def frame_features(encoder: PreTrainedModel, pixels_MCHW: Tensor) -> Tensor:
    """features_MSV of the frames: the encoder's last layer, without summary tokens. M may be 0."""
    if encoder.config.model_type == "siglip2_vision_model":
        hidden: Tensor = encoder(**_patches(pixels_MCHW, encoder.config.patch_size)).last_hidden_state
    else:
        hidden = encoder(pixel_values=pixels_MCHW).last_hidden_state
    if hidden.ndim == 4:  # a convolutional encoder's map_MVHW
        return hidden.flatten(2).transpose(1, 2)
    return hidden[:, summary_tokens(encoder) :]


def summary_tokens(encoder: PreTrainedModel) -> int:
    """The number of leading features of a frame that belong to no region of it."""
    if encoder.config.model_type == "timm_wrapper":
        return int(getattr(encoder.timm_model, "num_prefix_tokens", 0))
    registers = int(getattr(encoder.config, "num_register_tokens", 0) or 0)
    return SUMMARY_TOKENS.get(encoder.config.model_type, 1 if registers else 0) + registers


def feature_width(encoder: PreTrainedModel) -> int | None:
    """Channels V of the features of a timm encoder; None for others, whose configuration says."""
    if encoder.config.model_type == "timm_wrapper":
        return int(encoder.timm_model.num_features)
    return None


def _patches(pixels_MCHW: Tensor, size: int) -> dict[str, Any]:
    """The inputs of SigLIP2 for frames: flat patches, a mask and the shape of the grid."""
    frames, channels, height, width = pixels_MCHW.shape
    grid = height // size, width // size
    patches = pixels_MCHW[:, :, : grid[0] * size, : grid[1] * size].reshape(
        frames, channels, grid[0], size, grid[1], size
    )
    return {
        "pixel_values": patches.permute(0, 2, 4, 3, 5, 1).reshape(frames, grid[0] * grid[1], size * size * channels),
        "pixel_attention_mask": torch.ones(frames, grid[0] * grid[1], dtype=torch.long, device=pixels_MCHW.device),
        "spatial_shapes": torch.tensor([grid] * frames, dtype=torch.long).view(frames, 2),
    }


def check_pixels(pixel_values: Tensor) -> None:
    """Raise ValueError unless pixel_values is [images, frames, 3, height, width]."""
    if pixel_values.ndim != 5:
        raise ValueError(
            f"pixel_values has shape {list(pixel_values.shape)}, so images and frames cannot be told apart; "
            "give [total images, frames, 3, height, width] (one frame for a picture)"
        )
    if pixel_values.shape[2] != 3:
        raise ValueError(
            f"pixel_values has {pixel_values.shape[2]} channels (shape {list(pixel_values.shape)}) and the vision "
            "encoder reads 3; convert the images to RGB"
        )
