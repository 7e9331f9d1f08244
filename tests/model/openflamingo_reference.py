"""OpenFlamingo's arithmetic, slow and plain, from its own tensors under its own names.

Independent of `model/`: blocks are hooked before the language model's, every token is seen to by itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

HEADS = 8
Weights = dict[str, Tensor]


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])


def attend(weights: Weights, name: str, query: Tensor, memory: Tensor) -> Tensor:
    """Each row of `query` to all rows of `memory`, head by head."""
    q = query @ weights[f"{name}.to_q.weight"].T
    k, v = (memory @ weights[f"{name}.to_kv.weight"].T).chunk(2, dim=-1)
    heads = zip(q.chunk(HEADS, -1), k.chunk(HEADS, -1), v.chunk(HEADS, -1), strict=True)
    seen = [(one @ keys.T * keys.shape[-1] ** -0.5).softmax(-1) @ values for one, keys, values in heads]
    return torch.cat(seen, dim=-1) @ weights[f"{name}.to_out.weight"].T


def feed_forward(weights: Weights, name: str, x: Tensor) -> Tensor:
    hidden = F.gelu(norm(weights, f"{name}.0", x) @ weights[f"{name}.1.weight"].T)
    return hidden @ weights[f"{name}.3.weight"].T


def resample(weights: Weights, features: Tensor) -> Tensor:
    """features [S, V] of one picture to its latents [R, V]."""
    x, number = weights["perceiver.latents"], 0
    while f"perceiver.layers.{number}.0.to_q.weight" in weights:
        name = f"perceiver.layers.{number}"
        latents = norm(weights, f"{name}.0.norm_latents", x)
        memory = torch.cat((norm(weights, f"{name}.0.norm_media", features), latents))
        x = x + attend(weights, f"{name}.0", latents, memory)
        x, number = x + feed_forward(weights, f"{name}.1", x), number + 1
    return norm(weights, "perceiver.norm", x)


def gated_layer(weights: Weights, name: str, hidden: Tensor, latents: list[Tensor], sees: list[int]) -> Tensor:
    """hidden [L, W]; token t sees picture sees[t] (counted from 1; 0: none)."""
    rows = []
    for token, image in zip(hidden, sees, strict=True):
        if image:
            query = norm(weights, f"{name}.attn.norm", token[None])
            seen = attend(weights, f"{name}.attn", query, latents[image - 1])[0]
            token = token + seen * weights[f"{name}.attn_gate"].tanh()
        rows.append(token + feed_forward(weights, f"{name}.ff", token) * weights[f"{name}.ff_gate"].tanh())
    return torch.stack(rows)


@torch.no_grad()
def logits(
    weights: Weights, language_model: PreTrainedModel, decoder: str, ids: Tensor, latents: list[Tensor], image: int
) -> Tensor:
    """logits [L, V] of one row of text. `decoder` is the path to the language model's list of blocks."""
    sees, handles = ids.eq(image).cumsum(0).tolist(), []
    for number, block in enumerate(language_model.get_submodule(decoder)):
        name = f"lang_encoder.{decoder}.{number}.gated_cross_attn_layer"
        if f"{name}.attn_gate" in weights:

            def before(_: Any, inputs: Any, name: str = name) -> Any:
                return gated_layer(weights, name, inputs[0][0], latents, sees)[None], *inputs[1:]

            handles.append(block.register_forward_pre_hook(before))
    try:
        return language_model(input_ids=ids[None], use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()


def random_checkpoint(language_model: PreTrainedModel, decoder: str, interval: int, vision_width: int) -> Weights:
    """The tensors that OpenFlamingo would train over this language model, drawn at random, gates open."""
    torch.manual_seed(7)
    width, inner = language_model.config.hidden_size, HEADS * 64

    def attention(name: str, of: int, memory: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.to_q.weight": (inner, of), f"{name}.to_kv.weight": (2 * inner, memory), f"{name}.to_out.weight": (of, inner)}  # fmt: skip

    def dense(name: str, of: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.0.weight": (of,), f"{name}.0.bias": (of,), f"{name}.1.weight": (4 * of, of), f"{name}.3.weight": (of, 4 * of)}  # fmt: skip

    shapes: dict[str, tuple[int, ...]] = {"perceiver.latents": (6, vision_width)}
    shapes |= {f"perceiver.norm.{part}": (vision_width,) for part in ("weight", "bias")}
    for layer in (f"perceiver.layers.{number}" for number in range(2)):
        shapes |= attention(f"{layer}.0", vision_width, vision_width) | dense(f"{layer}.1", vision_width)
        norms = [f"{layer}.0.norm_{of}.{part}" for of in ("media", "latents") for part in ("weight", "bias")]
        shapes |= dict.fromkeys(norms, (vision_width,))
    for number in range(interval - 1, language_model.config.num_hidden_layers, interval):
        name = f"lang_encoder.{decoder}.{number}.gated_cross_attn_layer"
        shapes |= {f"{name}.attn_gate": (1,), f"{name}.ff_gate": (1,)} | dense(f"{name}.ff", width)
        shapes |= attention(f"{name}.attn", width, vision_width)
        shapes |= {f"{name}.attn.norm.weight": (width,), f"{name}.attn.norm.bias": (width,)}
    return {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}
