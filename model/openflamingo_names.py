"""The names of tensors in OpenFlamingo's files, and ours.

A file has `perceiver.*`, the gated cross-attention layers among the blocks of the language model, and some of the
language model's own tensors: those that were trained, such as token embeddings, and all of them if the file was not
stripped.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from torch import Tensor

RESAMPLER_NAMES = (
    (r"perceiver\.latents", "latents"),
    (r"perceiver\.frame_embs", "temporal"),
    (r"perceiver\.norm\.(weight|bias)", r"norm.\1"),
    (r"perceiver\.layers\.(\d+)\.0\.norm_media\.(weight|bias)", r"layers.\1.norm_features.\2"),
    (r"perceiver\.layers\.(\d+)\.0\.norm_latents\.(weight|bias)", r"layers.\1.norm_latents.\2"),
    (r"perceiver\.layers\.(\d+)\.0\.to_q\.weight", r"layers.\1.attention.query.weight"),
    (r"perceiver\.layers\.(\d+)\.0\.to_kv\.weight", r"layers.\1.attention.key_value.weight"),
    (r"perceiver\.layers\.(\d+)\.0\.to_out\.weight", r"layers.\1.attention.out.weight"),
    (r"perceiver\.layers\.(\d+)\.1\.0\.(weight|bias)", r"layers.\1.feed_forward.norm.\2"),
    (r"perceiver\.layers\.(\d+)\.1\.1\.weight", r"layers.\1.feed_forward.expand.weight"),
    (r"perceiver\.layers\.(\d+)\.1\.3\.weight", r"layers.\1.feed_forward.contract.weight"),
)
"""Patterns of OpenFlamingo's names, and ours, inside the resampler."""

BLOCK_NAMES = {
    "attn_gate": "attention_gate",
    "ff_gate": "feed_forward_gate",
    "attn.norm.weight": "norm.weight",
    "attn.norm.bias": "norm.bias",
    "attn.to_q.weight": "attention.query.weight",
    "attn.to_kv.weight": "attention.key_value.weight",
    "attn.to_out.weight": "attention.out.weight",
    "ff.0.weight": "feed_forward.norm.weight",
    "ff.0.bias": "feed_forward.norm.bias",
    "ff.1.weight": "feed_forward.expand.weight",
    "ff.3.weight": "feed_forward.contract.weight",
}
"""OpenFlamingo's names, and ours, inside a gated cross-attention layer."""

BLOCK_KEY = re.compile(r"lang_encoder\.(?:.*\.)?(\d+)\.gated_cross_attn_layer\.(.+)")
BLOCK_ALIAS = re.compile(r"lang_encoder\.gated_cross_attn_layers\.(\d+)\.(.+)")
"""A second name of the same layers, in older files."""
LANGUAGE_MODEL_KEY = re.compile(r"lang_encoder\.(?!old_decoder_blocks\.)(.+)")
"""A tensor of the language model. `old_decoder_blocks` is a second name of its blocks."""

VOCABULARY_MATRIX = re.compile(r".*\b(?:embed_tokens|embed_in|wte|word_embeddings)\.weight|(lm_head|embed_out)\.weight")
"""The language model's names of its token embeddings or (the group) its output rows."""
MASK_OR_ANGLES = re.compile(r".*\.(?:attention|attn|self_attn)\.(?:masked_bias|bias|rotary_emb\.inv_freq)")
"""Constants that decoders of transformers 4 saved with their weights; transformers 5 computes them."""


class Checkpoint(NamedTuple):
    """OpenFlamingo's tensors under our names, by part of the model."""

    resampler: dict[str, Tensor]
    blocks: dict[int, dict[str, Tensor]]
    """By the number of the language model's block that they precede, counted from 0."""
    language_model: dict[str, Tensor]
    """Under the language model's own names."""

    @property
    def interval(self) -> int:
        """The interval of cross-attention: one more than the number of the first block that has it."""
        return min(self.blocks) + 1

    @property
    def resampler_layers(self) -> int:
        """Layers of the resampler."""
        return len({name.split(".")[1] for name in self.resampler if name.startswith("layers.")})


def read_checkpoint(content: dict[str, Any]) -> Checkpoint:
    """The tensors in the content of a file. Raises ValueError for an unknown tensor, or if it is not a Flamingo."""
    content = content.get("model_state_dict", content)
    weights = {key.removeprefix("module."): value for key, value in content.items()}
    if "perceiver.latents" not in weights:
        raise ValueError(
            f"the checkpoint has {len(weights)} tensors, no perceiver.latents (first: {list(weights)[:3]}), so "
            "it is not one of OpenFlamingo; give its checkpoint.pt"
        )
    checkpoint = Checkpoint({}, {}, {})
    for key, tensor in weights.items():
        _put(checkpoint, key, tensor)
    if not checkpoint.blocks:
        raise ValueError(
            f"none of the checkpoint's {len(weights)} tensors belongs to a gated cross-attention layer, so the model "
            "would be blind to images; give a checkpoint.pt of OpenFlamingo"
        )
    return checkpoint


def _put(checkpoint: Checkpoint, key: str, tensor: Tensor) -> None:
    if match := BLOCK_KEY.fullmatch(key) or BLOCK_ALIAS.fullmatch(key):
        checkpoint.blocks.setdefault(int(match[1]), {})[_block_name(key, match[2])] = tensor
    elif match := LANGUAGE_MODEL_KEY.fullmatch(key):
        if not MASK_OR_ANGLES.fullmatch(key):
            checkpoint.language_model[match[1].replace(".decoder_layer.", ".")] = tensor
    elif not key.startswith("lang_encoder.old_decoder_blocks."):
        checkpoint.resampler[_resampler_name(key)] = tensor


def _resampler_name(key: str) -> str:
    for pattern, ours in RESAMPLER_NAMES:
        if match := re.fullmatch(pattern, key):
            return match.expand(ours)
    raise unknown(key)


def _block_name(key: str, name: str) -> str:
    if name not in BLOCK_NAMES:
        raise unknown(key)
    return BLOCK_NAMES[name]


def unknown(key: str) -> ValueError:
    """The error for an unknown tensor."""
    return ValueError(
        f"the checkpoint has the tensor {key}, which is in no known OpenFlamingo, so nothing was loaded; give a "
        "checkpoint.pt of OpenFlamingo"
    )
