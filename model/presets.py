"""Flamingo-3B, 9B and 80B with the sizes of the paper's tables 4 and 5.

The paper's language models (Chinchilla) are not public. They are replaced by a gpt_neox of the same layers, width and
heads, with a feed-forward width that gives their parameter count. The vision encoder is timm's NFNet-F6.

What the tables leave open is chosen to match their counts (docs/decisions/model-presets.md): visual tokens are mapped
to the language model's width once, and the 9B's new feed-forward layers are 2.69 widths wide, not 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from m3w.model.config import FlamingoConfig

NFNET_F6_WIDTH = 3072
"""Channels of the last feature map of NFNet-F6."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One column of the paper's tables."""

    layers: int
    width: int
    heads: int
    language_feed_forward: int
    """Hidden width of the gpt_neox's feed-forward layers."""
    interval: int
    feed_forward_multiple: float = 4.0

    def fields(self) -> dict[str, Any]:
        """The fields of a FlamingoConfig."""
        return {
            "text_config": {
                "model_type": "gpt_neox",
                "vocab_size": 32000,
                "hidden_size": self.width,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "intermediate_size": self.language_feed_forward,
                "max_position_embeddings": 2048,
            },
            "vision_config": {"model_type": "timm_wrapper", "architecture": "dm_nfnet_f6"},
            "vision_width": NFNET_F6_WIDTH,
            "resampler_width": 1536,
            "latent_width": self.width,
            "cross_attention_heads": self.heads,
            "cross_attention_interval": self.interval,
            "feed_forward_multiple": self.feed_forward_multiple,
        }


PRESETS = {
    "Flamingo-3B": Preset(layers=24, width=2048, heads=16, language_feed_forward=8704, interval=1),
    "Flamingo-9B": Preset(
        layers=40, width=4096, heads=32, language_feed_forward=12672, interval=4, feed_forward_multiple=2.6875
    ),
    "Flamingo-80B": Preset(layers=80, width=8192, heads=64, language_feed_forward=36608, interval=7),
}


def preset(name: str, **changes: Any) -> FlamingoConfig:
    """The configuration of `Flamingo-3B`, `Flamingo-9B` or `Flamingo-80B`, with `changes` to its fields."""
    if name not in PRESETS:
        raise ValueError(f"{name!r} is not a Flamingo of the paper; take one of {', '.join(PRESETS)}")
    return FlamingoConfig(**{**PRESETS[name].fields(), **changes})
