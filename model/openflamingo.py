"""OpenFlamingo's released checkpoints as a `Flamingo`.

Facts of its architecture: GELU, 8 heads of 64 whatever the width, a resampler of 6 layers and 64 latents as wide as the
vision features, no temporal embeddings, and cross-attention before the block whose number, counted from 1, is a
multiple of the interval.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import AddedToken

from m3w.model.checkpoint import load_language_model, load_vision_encoder
from m3w.model.flamingo import Flamingo
from m3w.model.openflamingo_names import VOCABULARY_MATRIX, Checkpoint, read_checkpoint, unknown
from m3w.model.processor import END_OF_CHUNK_TOKEN, IMAGE_TOKEN, FlamingoProcessor

HEADS, HEAD_DIM = 8, 64


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
    found = read_checkpoint(_held(checkpoint))
    names: dict[str, Any] = {}
    if isinstance(language_model, str | Path):
        names["language_model_name"] = str(language_model)
        language_model = load_language_model(str(language_model))
    if isinstance(vision_encoder, str | Path):
        names["vision_encoder_name"] = str(vision_encoder)
        vision_encoder = load_vision_encoder(str(vision_encoder))
    if _load_language_model(language_model, found.language_model):
        names.pop("language_model_name", None)  # it is no longer the one of that name
    model: Flamingo = Flamingo.from_backbones(
        language_model=language_model,
        vision_encoder=vision_encoder,
        image_token_id=image_token_id,
        end_of_chunk_token_id=end_of_chunk_token_id,
        **_architecture(found, cross_attention_interval),
        **names,
    )
    _load_new_parts(model, found)
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
    held = _held(checkpoint)
    processor = None
    if image_token_id is None or end_of_chunk_token_id is None:
        processor = openflamingo_processor(language_model, vision_encoder)
        image_token_id, end_of_chunk_token_id = processor.image_token_id, processor.end_of_chunk_token_id
    model = load_openflamingo(
        held,
        language_model=language_model,
        vision_encoder=vision_encoder,
        cross_attention_interval=cross_attention_interval or read_checkpoint(held).interval,
        image_token_id=image_token_id,
        end_of_chunk_token_id=end_of_chunk_token_id,
    )
    model.save_pretrained(out)
    if processor is not None:
        processor.save_pretrained(out)
    return model


def openflamingo_processor(language_model: str, vision_encoder: str) -> FlamingoProcessor:
    """The processor of two backbones with OpenFlamingo's token ids: `<|endofchunk|>` was added first, then `<image>`.

    Mean and deviation are CLIP's, which OpenFlamingo used. Deviation: pictures are padded to a square, as in the
    Flamingo paper, where OpenFlamingo cropped them as CLIP does. Raises ValueError if there is no tokenizer.
    """
    tokenizer = AutoTokenizer.from_pretrained(language_model)
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers make of a folder without one
        raise ValueError(
            f"{language_model} has no tokenizer, so the numbers of {IMAGE_TOKEN} and {END_OF_CHUNK_TOKEN} are "
            "unknown; give image_token_id and end_of_chunk_token_id, or a language model with its tokenizer"
        )
    for token in (END_OF_CHUNK_TOKEN, IMAGE_TOKEN):
        tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    config = AutoConfig.from_pretrained(vision_encoder)
    return FlamingoProcessor(tokenizer, image_size=getattr(config, "vision_config", config).image_size)


def _held(checkpoint: str | Path | dict[str, Any]) -> dict[str, Any]:
    if isinstance(checkpoint, dict):
        return checkpoint
    held: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return held


def _architecture(found: Checkpoint, interval: int) -> dict[str, Any]:
    """Fields of the FlamingoConfig."""
    return {
        "activation": "gelu",
        "head_dim": HEAD_DIM,
        "cross_attention_heads": HEADS,
        "cross_attention_interval": interval,
        "cross_attention_first": interval - 1,
        "resampler_layers": found.resampler_layers,
        "resampler_latents": len(found.resampler["latents"]),
        "resampler_heads": HEADS,
        "resampler_frames": len(found.resampler.get("temporal", ())),
    }


@torch.no_grad()
def _load_language_model(language_model: PreTrainedModel, weights: dict[str, Tensor]) -> bool:
    """Put the checkpoint's tensors into the language model; whether any was not the same there.

    The rows of its token embeddings become as many as the checkpoint's.
    """
    changed = False
    for name, tensor in weights.items():
        if VOCABULARY_MATRIX.fullmatch(name) and len(_own_tensor(language_model, name)) != len(tensor):
            language_model.resize_token_embeddings(len(tensor), mean_resizing=False)
        own = _own_tensor(language_model, name)
        _check_shape(name, tensor, own, "the language model")
        changed |= not torch.equal(own, tensor.to(own.dtype))
        own.copy_(tensor)
    return changed


def _own_tensor(language_model: PreTrainedModel, name: str) -> Tensor:
    """The language model's tensor of that name; its head is called differently by different releases."""
    if match := VOCABULARY_MATRIX.fullmatch(name):
        part: Any = language_model.get_output_embeddings() if match[1] else language_model.get_input_embeddings()
        matrix: Tensor = part.weight
        return matrix
    own: dict[str, Tensor] = language_model.state_dict()
    if name not in own:
        raise unknown(f"lang_encoder.{name}")
    return own[name]


def _load_new_parts(model: Flamingo, found: Checkpoint) -> None:
    expected = model.config.cross_attention_layers
    if sorted(found.blocks) != list(expected):
        raise ValueError(
            f"the checkpoint has cross-attention before blocks {sorted(found.blocks)} and cross_attention_interval "
            f"{model.config.cross_attention_interval} puts it before {list(expected)}; give its own interval"
        )
    _load(model.resampler, found.resampler, "the resampler")
    for index, block in zip(expected, model.cross_attention_blocks, strict=True):
        _load(block, found.blocks[index], f"the cross-attention before block {index}")


def _load(part: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    own = part.state_dict()
    if wrong := sorted(own.keys() ^ weights.keys()):
        raise ValueError(
            f"{name}: {len(wrong)} tensors are in the checkpoint or in the model alone ({wrong[:3]}); these are not "
            "the checkpoint's backbones"
        )
    for key, tensor in weights.items():
        _check_shape(key, tensor, own[key], name)
    part.load_state_dict(weights)


def _check_shape(key: str, tensor: Tensor, own: Tensor, name: str) -> None:
    if tensor.shape != own.shape:
        raise ValueError(
            f"{name}: {key} is {list(tensor.shape)} in the checkpoint and {list(own.shape)} in the model; these are "
            "not the checkpoint's backbones"
        )


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
