"""Tiny random backbones of every family that is supported."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel

from m3w.model import Flamingo

VOCABULARY, WIDTH, LAYERS, HEADS = 40, 32, 3, 4
IMAGE, END_OF_CHUNK = VOCABULARY, VOCABULARY + 1

_LLAMA = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
}
_SMALL_IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "llama": {**_LLAMA, "num_key_value_heads": 2},
    "mistral": {**_LLAMA, "num_key_value_heads": 2, "sliding_window": 8},
    "qwen3": {**_LLAMA, "num_key_value_heads": 2, "head_dim": 8},
    "gemma3_text": {**_LLAMA, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8},
    "olmo2": _LLAMA,
    "phi": {**_LLAMA, "partial_rotary_factor": 0.5},
    "opt": {
        "hidden_size": WIDTH,
        "word_embed_proj_dim": WIDTH,
        "ffn_dim": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": 64,
    },
    "gpt_neox": _LLAMA,
    "gpt2": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 64},
    "mpt": {"d_model": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "max_seq_len": 64},
    "bloom": {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": HEADS},
}

_VIT = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
VISION_ENCODERS: dict[str, dict[str, Any]] = {
    "clip_vision_model": _VIT,
    "siglip_vision_model": _VIT,
    "siglip2_vision_model": {**_VIT, "num_patches": 4},
    "dinov2": {**_VIT, "mlp_ratio": 2},
    "dinov2_with_registers": {**_VIT, "mlp_ratio": 2, "num_register_tokens": 3},
}


def language_model(family: str = "llama", seed: int = 0, **changes: Any) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, vocab_size=VOCABULARY, **{**_SMALL_IDS, **LANGUAGE_MODELS[family], **changes})
    return AutoModelForCausalLM.from_config(config).eval()


def vision_encoder(family: str = "clip_vision_model", seed: int = 1) -> PreTrainedModel:
    torch.manual_seed(seed)
    return AutoModel.from_config(AutoConfig.for_model(family, **VISION_ENCODERS[family])).eval()


def flamingo(
    family: str = "llama", vision: str = "clip_vision_model", *, gates: float = 0.7, **options: Any
) -> Flamingo:
    """A Flamingo with open gates, so that images matter, and weights large enough that they matter visibly."""
    torch.manual_seed(2)
    sizes = {
        "head_dim": 8,
        "resampler_layers": 2,
        "resampler_heads": 2,
        "resampler_latents": 4,
        "initializer_range": 0.2,
    }
    model = Flamingo.from_backbones(
        language_model=language_model(family), vision_encoder=vision_encoder(vision), **{**sizes, **options}
    )
    open_gates(model, gates)
    return model.eval()


def open_gates(model: Flamingo, gates: float = 0.7) -> None:
    for block in model.cross_attention_blocks:
        block.attention_gate.data.fill_(gates)
        block.feed_forward_gate.data.fill_(gates)


def pictures(number: int, frames: int = 1, seed: int = 3) -> torch.Tensor:
    return torch.randn(number, frames, 3, 28, 28, generator=torch.Generator().manual_seed(seed))
