"""Arithmetic of an update, from the model's shapes, and what GPUs can do: model FLOPs utilisation (MFU).

As PaLM (arXiv 2204.02311, appendix B) counts: a matrix takes 2 FLOPs a parameter and token forward, 2 for the gradient
of what went in and 2 for its own. A frozen one has no gradient of its own: 4, not 6. Attention has no parameters: 12
FLOPs for each layer, channel and pair of tokens, whatever is frozen and without a discount for the causal mask. A
frozen vision encoder runs forward only. Nothing is counted that runs again under activation checkpointing.

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
"""bf16 matrix products without sparsity, FLOP/s, by what a device's name holds (vendors' data sheets)."""
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
"""Memory of the common form of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """FLOPs, forward and backward, of each thing that a batch has some of."""

    place: float
    """A token, or padding in its place."""
    pair: float
    """Two tokens of one row: a row of L has L x L."""
    image: float
    """What the resampler does once an image or video."""
    frame: float
    """The vision encoder, and the resampler's work on features."""

    def of(self, *, places: float, pairs: float, images: float, frames: float) -> float:
        """FLOPs of so much."""
        return self.place * places + self.pair * pairs + self.image * images + self.frame * frames


def count_costs(model: Flamingo, image_size: int) -> Costs:
    """Of `model`, which may be on the meta device; pictures are squares of `image_size` pixels."""
    config = model.config
    features, vision = vision_flops(config, image_size)
    text = config.text_config.get_text_config()
    per_parameter = 4 if config.freeze_language_model else 6
    place: float = per_parameter * _matrices(model.language_model) + per_parameter * _head_again(model)
    pair = 12.0 * text.num_hidden_layers * text.num_attention_heads * _head_size(text)
    image = 6.0 * config.resampler_latents * _matrices(model.latent_projection)
    latents, width = config.resampler_latents, config.resampler_heads * config.head_dim
    inner = config.cross_attention_heads * config.head_dim
    for block in model.cross_attention_blocks:
        key_value = block.attention.key_value.weight.numel()
        place += 6.0 * (_matrices(block) - key_value) + 12.0 * latents * inner
        image += 6.0 * latents * key_value
    below = 4.0 if config.freeze_vision_encoder else 6.0  # a frozen encoder asks for no gradient
    frame = below * features * _matrices(model.resampler.projection)
    layers: Any = model.resampler.layers
    for layer in layers:
        key_value = layer.attention.key_value.weight.numel()
        image += 6.0 * latents * _matrices(layer) + 12.0 * latents * latents * width
        frame += 6.0 * features * key_value + 12.0 * latents * features * width
    frame += vision * (1 if config.freeze_vision_encoder else 3)
    return Costs(place=place, pair=pair, image=image, frame=frame)


def vision_flops(config: FlamingoConfig, image_size: int) -> tuple[int, float]:
    """Features of one frame and FLOPs of encoding it, measured by a run on the meta device."""
    with torch.device("meta"), torch.no_grad():
        encoder = AutoModel.from_config(config.vision_config)
        encoder.config._attn_implementation = "eager"  # counted as the matrix products that it is
        with FlopCounterMode(display=False) as counter:
            features = frame_features(encoder.eval(), torch.zeros(1, 3, image_size, image_size))
    return int(features.shape[1]), float(counter.get_total_flops())


def _matrices(part: nn.Module) -> int:
    """Parameters of the linear maps in `part`; of a language model without its cross-attention."""
    blocks = [each for each in part.modules() if isinstance(each, GatedCrossAttention) and each is not part]
    others = {id(inner) for block in blocks for inner in block.modules()}
    return sum(_weight(each).numel() for each in part.modules() if _is_linear(each) and id(each) not in others)


def _weight(part: Any) -> Tensor:
    weight: Tensor = part.weight
    return weight


def _is_linear(part: nn.Module) -> bool:
    """torch's, and the transposed one of GPT-2."""
    return isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"


def _head_again(model: Flamingo) -> int:
    """Parameters of an output matrix that is no linear map of its own: none, heads are."""
    head: Any = model.get_output_embeddings()
    return 0 if _is_linear(head) else int(head.weight.numel())


def _head_size(text: Any) -> int:
    size = getattr(text, "head_dim", None)
    return int(size or text.hidden_size // text.num_attention_heads)


def peak_flops(name: str) -> float | None:
    """bf16 FLOP/s of the device called `name`, as torch or a person calls it; None if it is not in the table."""
    plain = name.lower().replace("-", " ")
    for known, peak in PEAK_FLOPS.items():
        if all(word.lower() in plain for word in known.split()):
            return peak
    return None


def device_peak(device: torch.device) -> float | None:
    """That of this machine's `device`; None on a CPU."""
    return peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
