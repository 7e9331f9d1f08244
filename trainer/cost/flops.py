"""FLOPs of an update, from the model's shapes, and the peak of GPUs: model FLOPs utilisation (MFU).

Counted as in PaLM (arXiv 2204.02311, appendix B): a matrix takes 2 FLOPs per parameter and token forward, 2 for the
gradient of its input and 2 for its own. A frozen one has no gradient of its own: 4, not 6. Attention has no
parameters: 12
FLOPs for each layer, channel and pair of tokens, whatever is frozen and without a discount for the causal mask. A
frozen vision encoder runs forward only. What activation checkpointing runs again is not counted.

The embeddings of the new tokens are trained and lie below the language model, so gradients pass all of its blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel

from m3w.model import Flamingo, FlamingoConfig
from m3w.model.cross_attention import GatedCrossAttention
from m3w.model.vision import frame_features

PEAK_FLOPS = {
    "GB200": 2.5e15,
    "B200": 2.25e15,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "A40": 149.7e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "MI300X": 1307e12,
    "MI250X": 383e12,
}
"""Dense bf16 FLOP/s by part of the device's name (vendors' data sheets)."""
MEMORY_GIB = {
    "GB200": 186,
    "B200": 180,
    "H200": 141,
    "H100": 80,
    "A100": 80,
    "A40": 48,
    "A10": 24,
    "L40S": 48,
    "L4": 24,
}
"""Memory of the common variant of each GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """FLOPs, forward and backward, of each token, pair of tokens, image and frame of a batch."""

    token: float
    """Of a token, padding included."""
    token_pair: float
    """Of two tokens of one row: a row of L tokens has L x L pairs."""
    image: float
    """Of an image or video: the resampler's work on latents, and the keys and values of the cross-attention."""
    frame: float
    """Of a frame: the vision encoder, and the resampler's work on features."""

    def of(self, *, padded_tokens: float, squared_lengths: float, images: float, frames: float) -> float:
        """FLOPs of a batch. `squared_lengths` is the sum of the squares of its rows' lengths."""
        return (
            self.token * padded_tokens + self.token_pair * squared_lengths + self.image * images + self.frame * frames
        )


def count_costs(model: Flamingo, image_size: int) -> Costs:
    """The costs of `model`, which may be on the meta device. Pictures are squares of `image_size` pixels."""
    config = model.config
    features, vision = vision_flops(config, image_size)
    text = config.text_config.get_text_config()
    per_parameter = 4 if config.freeze_language_model else 6
    token: float = per_parameter * _matrices(model.language_model) + per_parameter * _head_outside(model)
    token_pair = 12.0 * text.num_hidden_layers * text.num_attention_heads * _head_size(text)
    image = 6.0 * config.resampler_latents * _matrices(model.latent_projection)
    latents, width = config.resampler_latents, config.resampler_heads * config.head_dim
    inner = config.cross_attention_heads * config.head_dim
    for block in model.cross_attention_blocks:
        key_value = block.attention.key_value.weight.numel()
        token += 6.0 * (_matrices(block) - key_value) + 12.0 * latents * inner
        image += 6.0 * latents * key_value
    below = 4.0 if config.freeze_vision_encoder else 6.0  # a frozen encoder needs no gradient
    frame = below * features * _matrices(model.resampler.projection)
    layers: Any = model.resampler.layers
    for layer in layers:
        key_value = layer.attention.key_value.weight.numel()
        image += 6.0 * latents * _matrices(layer) + 12.0 * latents * latents * width
        frame += 6.0 * features * key_value + 12.0 * latents * features * width
    frame += vision * (1 if config.freeze_vision_encoder else 3)
    return Costs(token=token, token_pair=token_pair, image=image, frame=frame)


def vision_flops(config: FlamingoConfig, image_size: int) -> tuple[int, float]:
    """Features of one frame and FLOPs of encoding it, measured by a run on the meta device."""
    with torch.device("meta"), torch.no_grad():
        encoder = AutoModel.from_config(config.vision_config)
        encoder.config._attn_implementation = "eager"  # so that attention is counted as matrix products
        with FlopCounterMode(display=False) as counter:
            features = frame_features(encoder.eval(), torch.zeros(1, 3, image_size, image_size))
    return int(features.shape[1]), float(counter.get_total_flops())


def _matrices(part: nn.Module) -> int:
    """Parameters of the linear maps in `part`, without those of cross-attention blocks inside it."""
    blocks = [each for each in part.modules() if isinstance(each, GatedCrossAttention) and each is not part]
    others = {id(inner) for block in blocks for inner in block.modules()}
    return sum(_weight(each).numel() for each in part.modules() if _is_linear(each) and id(each) not in others)


def _weight(part: Any) -> Tensor:
    weight: Tensor = part.weight
    return weight


def _is_linear(part: nn.Module) -> bool:
    """Whether it is torch's linear map or the transposed one of GPT-2."""
    return isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"


def _head_outside(model: Flamingo) -> int:
    """Parameters of an output matrix that is not a linear map of its own and so is not counted with the others."""
    head: Any = model.get_output_embeddings()
    return 0 if _is_linear(head) else int(head.weight.numel())


def _head_size(text: Any) -> int:
    size = getattr(text, "head_dim", None)
    return int(size or text.hidden_size // text.num_attention_heads)


def peak_flops(name: str) -> float | None:
    """Dense bf16 FLOP/s of the device `name`, as torch or a person calls it; None if it is not in the table."""
    plain = name.lower().replace("-", " ")
    for known, peak in PEAK_FLOPS.items():
        if all(word.lower() in plain for word in known.split()):
            return peak
    return None


def device_peak(device: torch.device) -> float | None:
    """The peak FLOP/s of this machine's `device`; None for a CPU or an unknown GPU."""
    return peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
