"""The Perceiver Resampler: any number of visual features to a fixed number of visual tokens.

Flamingo (arXiv 2204.14198), section 3.1.1 and the pseudo-code of appendix A.1.1. Cost per image and layer:
latents x (frames x features + latents) in attention; the projections of the features cost more.

Shapes: N images or videos, T frames, S features of a frame, V their width, R latents, W width, H heads, D head width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3w.model.config import FlamingoConfig
from m3w.model.layers import AttentionProjections, FeedForward, attention


class PerceiverResampler(nn.Module):
    """Features of images or videos to `resampler_latents` visual tokens each.

    In each layer, learned latents attend to the features and to themselves (keys and values of both, concatenated).
    Every feature of frame t gets the t-th temporal embedding; there are no spatial ones.

    Deviations from the paper: layer norms before attention and at the end, which its pseudo-code leaves out.
    If the encoder's features are not `resampler_width` wide, a linear map comes first.
    """

    def __init__(self, config: FlamingoConfig) -> None:
        super().__init__()
        features, width = config.vision_width, config.resampled_width
        self.projection = nn.Identity() if features == width else nn.Linear(features, width, bias=False)
        self.latents = nn.Parameter(torch.randn(config.resampler_latents, width) * config.initializer_range)
        frames = config.resampler_frames
        self.temporal = nn.Parameter(torch.randn(frames, width) * config.initializer_range) if frames else None
        self.layers = nn.ModuleList(ResamplerLayer(config, width) for _ in range(config.resampler_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, features_NTSV: Tensor) -> Tensor:
        """features_NTSV to latents_NRW. A picture is a video of one frame; N may be 0."""
        x_NTSW = self.projection(features_NTSV.to(self.latents.dtype))
        if self.temporal is not None:
            x_NTSW = x_NTSW + temporal_embeddings(self.temporal, x_NTSW.shape[1])[:, None]
        x_NKW = x_NTSW.flatten(1, 2)
        latents_NRW = self.latents.expand(len(x_NKW), -1, -1)
        for layer in self.layers:
            latents_NRW = layer(latents_NRW, x_NKW)
        normed_NRW: Tensor = self.norm(latents_NRW)
        return normed_NRW


class ResamplerLayer(nn.Module):
    """Latents attend to features and latents, then a feed-forward layer; both residual."""

    def __init__(self, config: FlamingoConfig, width: int) -> None:
        super().__init__()
        self.norm_features = nn.LayerNorm(width)
        self.norm_latents = nn.LayerNorm(width)
        self.attention = AttentionProjections(width, width, heads=config.resampler_heads, head_dim=config.head_dim)
        multiple, activation = config.resampler_feed_forward_multiple, config.activation
        self.feed_forward = FeedForward(width, multiple=multiple, activation=activation)

    def forward(self, latents_NRW: Tensor, x_NKW: Tensor) -> Tensor:
        queries_NRW = self.norm_latents(latents_NRW)
        memory = torch.cat((self.norm_features(x_NKW), queries_NRW), dim=1)
        key, value = self.attention.keys_values(memory)
        attended = attention(self.attention.queries(queries_NRW), key, value)
        latents_NRW = latents_NRW + self.attention.out(attended)
        hidden_NRW: Tensor = self.feed_forward(latents_NRW)
        return latents_NRW + hidden_NRW


def temporal_embeddings(learned_FW: Tensor, frames: int) -> Tensor:
    """temporal_TW for T = `frames`: the first T learned embeddings; if there are fewer, all, interpolated linearly.

    Appendix A.1.1: trained with 8 frames, run with 30. The first and last frame keep the first and last embedding.
    """
    if frames <= len(learned_FW):
        return learned_FW[:frames]
    return F.interpolate(learned_FW.T[None], size=frames, mode="linear", align_corners=True)[0].T


def latent_projection(config: FlamingoConfig) -> nn.Module:
    """The map of visual tokens to the width that the cross-attention reads; the identity if that is the same."""
    if config.visual_token_width == config.resampled_width:
        return nn.Identity()
    return nn.Linear(config.resampled_width, config.visual_token_width, bias=False)
