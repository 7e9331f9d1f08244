"""OpenFlamingo's released checkpoints as a `Flamingo`.

They hold the trainable parameters: `perceiver.*`, the gated cross-attention layers beside the blocks of the
language model, and, where they were trained, the token embeddings. Facts of its architecture: GELU, 8 heads of 64
whatever the width, a resampler of 6 layers and 64 latents as wide as the vision features, no temporal embeddings, and
cross-attention before the block whose number, counted from 1, is a multiple of the interval.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import AddedToken

from model.checkpoint import load_language_model, load_vision_encoder
from model.flamingo import Flamingo
from model.processor import END_OF_CHUNK_TOKEN, IMAGE_TOKEN, FlamingoProcessor

HEADS, HEAD_DIM = 8, 64

RESAMPLER_NAMES = (
    (r"perceiver\.latents", "latents"),
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
"""OpenFlamingo's names (a pattern) and ours, inside the resampler."""

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
"""The same inside a gated cross-attention layer."""

BLOCK_KEY = re.compile(r"lang_encoder\.(?:.*\.)?(\d+)\.gated_cross_attn_layer\.(.+)")
BLOCK_ALIAS = re.compile(r"lang_encoder\.gated_cross_attn_layers\.(\d+)\.(.+)")
"""The same layers a second time, in a list of their own; older files name them so."""
EMBEDDING_KEY = re.compile(r"lang_encoder\..*(?:embed_tokens|embed_in|wte|word_embeddings)\.weight")
OUTPUT_KEY = re.compile(r"lang_encoder\.(?:lm_head|embed_out)\.weight")


def load_openflamingo(
    checkpoint: str | Path | dict[str, Any],
    *,
    language_model: PreTrainedModel | str | Path,
    vision_encoder: PreTrainedModel | str | Path,
    cross_attention_interval: int,
    image_token_id: int,
    end_of_chunk_token_id: int,
) -> Flamingo:
    """The model of OpenFlamingo's `checkpoint` (a .pt file, or what it holds) over its backbones.

    Backbones are given as transformers loads them, or by name or folder. The vision encoder is the CLIP that
    OpenFlamingo used, in transformers' form (CLIPVisionModel). `image_token_id` and `end_of_chunk_token_id` are those
    of the checkpoint's tokenizer. Raises ValueError if the checkpoint's tensors and the model's do not match.
    """
    weights = _named_tensors(checkpoint)
    names: dict[str, Any] = {}
    if isinstance(language_model, str | Path):
        names["language_model_name"] = str(language_model)
        language_model = load_language_model(str(language_model))
    if isinstance(vision_encoder, str | Path):
        names["vision_encoder_name"] = str(vision_encoder)
        vision_encoder = load_vision_encoder(str(vision_encoder))
    trained_rows = _load_vocabulary(language_model, weights)
    if trained_rows:  # the language model is no longer the one of that name
        names.pop("language_model_name", None)
    layers = {int(match[1]) for key in weights if (match := re.match(r"perceiver\.layers\.(\d+)\.", key))}
    frames = weights.get("perceiver.frame_embs")
    model: Flamingo = Flamingo.from_backbones(
        language_model=language_model,
        vision_encoder=vision_encoder,
        image_token_id=image_token_id,
        end_of_chunk_token_id=end_of_chunk_token_id,
        activation="gelu",
        head_dim=HEAD_DIM,
        cross_attention_heads=HEADS,
        cross_attention_interval=cross_attention_interval,
        cross_attention_first=cross_attention_interval - 1,
        resampler_layers=len(layers),
        resampler_latents=len(weights["perceiver.latents"]),
        resampler_heads=HEADS,
        resampler_frames=0 if frames is None else len(frames),
        **names,
    )
    _load_new_parts(model, weights)
    _copy_token_rows(model)
    model.eval()
    return model


def import_openflamingo(
    checkpoint: str | Path,
    out: str | Path,
    *,
    language_model: str,
    vision_encoder: str,
    cross_attention_interval: int | None = None,
    image_token_id: int | None = None,
    end_of_chunk_token_id: int | None = None,
) -> Flamingo:
    """`load_openflamingo` and save to the folder `out`; what `m3w import-checkpoint openflamingo` calls.

    The interval, if not given, is read from the checkpoint's names. The token ids, if not given, are those that
    OpenFlamingo gave to the language model's tokenizer, and the processor is saved, too.
    """
    weights = _named_tensors(checkpoint)
    processor = None
    if image_token_id is None or end_of_chunk_token_id is None:
        processor = openflamingo_processor(language_model, vision_encoder)
        image_token_id, end_of_chunk_token_id = processor.image_token_id, processor.end_of_chunk_token_id
    model = load_openflamingo(
        weights,
        language_model=language_model,
        vision_encoder=vision_encoder,
        cross_attention_interval=cross_attention_interval or interval_of(weights),
        image_token_id=image_token_id,
        end_of_chunk_token_id=end_of_chunk_token_id,
    )
    model.save_pretrained(out)
    if processor is not None:
        processor.save_pretrained(out)
    return model


def openflamingo_processor(language_model: str, vision_encoder: str) -> FlamingoProcessor:
    """The processor of two backbones with OpenFlamingo's token ids: `<|endofchunk|>` was added first, then `<image>`.

    Deviation: pictures are padded to a square, as in the Flamingo paper, where OpenFlamingo cropped them as CLIP does.
    """
    tokenizer = AutoTokenizer.from_pretrained(language_model)
    for token in (END_OF_CHUNK_TOKEN, IMAGE_TOKEN):
        tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    return FlamingoProcessor.from_backbones(tokenizer=tokenizer, vision_encoder=vision_encoder)


def interval_of(weights: dict[str, Tensor]) -> int:
    """The interval of a checkpoint: one more than its first block with cross-attention."""
    matches = [BLOCK_KEY.fullmatch(key) or BLOCK_ALIAS.fullmatch(key) for key in weights]
    indices = [int(match[1]) for match in matches if match]
    if not indices:
        raise ValueError(
            f"none of the checkpoint's {len(weights)} tensors belongs to a gated cross-attention layer, so it could "
            "not see; give a checkpoint.pt of OpenFlamingo"
        )
    return min(indices) + 1


def _named_tensors(checkpoint: str | Path | dict[str, Any]) -> dict[str, Tensor]:
    held = checkpoint if isinstance(checkpoint, dict) else torch.load(checkpoint, map_location="cpu", weights_only=True)
    held = held.get("model_state_dict", held)
    weights = {key.removeprefix("module."): value for key, value in held.items()}
    if "perceiver.latents" not in weights:
        raise ValueError(
            f"the checkpoint has {len(weights)} tensors, no perceiver.latents (first: {list(weights)[:3]}), so "
            "it is not one of OpenFlamingo; give its checkpoint.pt"
        )
    return weights


def _load_vocabulary(language_model: PreTrainedModel, weights: dict[str, Tensor]) -> bool:
    """Put trained token embeddings (and output rows) into the language model; whether there were any."""
    found = False
    for pattern, get in ((EMBEDDING_KEY, "get_input_embeddings"), (OUTPUT_KEY, "get_output_embeddings")):
        for key in [key for key in weights if pattern.fullmatch(key)]:
            rows = weights.pop(key)
            if len(rows) != len(getattr(language_model, get)().weight):
                language_model.resize_token_embeddings(len(rows), mean_resizing=False)
            with torch.no_grad():
                getattr(language_model, get)().weight.copy_(rows)
            found = True
    return found


def _load_new_parts(model: Flamingo, weights: dict[str, Tensor]) -> None:
    resampler: dict[str, Tensor] = {}
    blocks: dict[int, dict[str, Tensor]] = {}
    for key, tensor in weights.items():
        if match := BLOCK_KEY.fullmatch(key):
            blocks.setdefault(int(match[1]), {})[_block_name(key, match[2])] = tensor
        elif match := BLOCK_ALIAS.fullmatch(key):
            blocks.setdefault(int(match[1]), {}).setdefault(_block_name(key, match[2]), tensor)
        elif key == "perceiver.frame_embs":
            resampler["temporal"] = tensor
        else:
            resampler[_resampler_name(key)] = tensor
    expected = model.config.cross_attention_layers
    if sorted(blocks) != list(expected):
        raise ValueError(
            f"the checkpoint has cross-attention before blocks {sorted(blocks)} and cross_attention_interval "
            f"{model.config.cross_attention_interval} puts it before {list(expected)}; give its own interval"
        )
    _load(model.resampler, resampler, "the resampler")
    for index, block in zip(expected, model.cross_attention_blocks, strict=True):
        _load(block, blocks[index], f"the cross-attention before block {index}")


def _load(part: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    own = part.state_dict()
    wrong = sorted(own.keys() ^ weights.keys()) or [
        f"{key} {list(weights[key].shape)}, not {list(own[key].shape)}"
        for key in own
        if own[key].shape != weights[key].shape
    ]
    if wrong:
        raise ValueError(
            f"{name}: {len(wrong)} tensors do not match ({wrong[:3]}); these are not the checkpoint's backbones"
        )
    part.load_state_dict(weights)


def _resampler_name(key: str) -> str:
    for pattern, ours in RESAMPLER_NAMES:
        if match := re.fullmatch(pattern, key):
            return match.expand(ours)
    raise ValueError(
        f"the checkpoint has the tensor {key}, which no OpenFlamingo that is known here has; nothing was loaded"
    )


def _block_name(key: str, name: str) -> str:
    if name not in BLOCK_NAMES:
        raise ValueError(
            f"the checkpoint has the tensor {key}, which no OpenFlamingo that is known here has; nothing was loaded"
        )
    return BLOCK_NAMES[name]


@torch.no_grad()
def _copy_token_rows(model: Flamingo) -> None:
    """The new tokens' rows lie in the language model's matrices; ours start as those."""
    tokens, ids = model.new_tokens, (model.config.image_token_id, model.config.end_of_chunk_token_id)
    inputs: Any = model.get_input_embeddings().weight
    outputs: Any = model.get_output_embeddings().weight
    if max(ids) >= len(inputs):
        raise ValueError(
            f"image_token_id {ids[0]} and end_of_chunk_token_id {ids[1]} lie outside the {len(inputs)} rows of the "
            "checkpoint's token embeddings; give the numbers of OpenFlamingo's tokenizer"
        )
    tokens.embedding.copy_(inputs[list(ids)])
    tokens.output_row.copy_(outputs[ids[1] : ids[1] + 1])
