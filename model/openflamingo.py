"""OpenFlamingo's released checkpoints as a `Flamingo`.

Its architecture: GELU, 8 heads of 64 at every width, a resampler of 6 layers and 64 latents of the width of the
vision features, no temporal embeddings, and cross-attention before each block whose number, counted from 1, is a
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
    """The model of OpenFlamingo's `checkpoint` (a .pt file, or its content) over its backbones.

    Backbones are transformers models, or names or folders. The vision encoder is the CLIP that
    OpenFlamingo used, in transformers' form (CLIPVisionModel). `image_token_id` and `end_of_chunk_token_id` are those
    of the checkpoint's tokenizer. Raises ValueError if the checkpoint's tensors and the model's do not match.
    """
    weights = read_checkpoint(_load_file(checkpoint))
    names: dict[str, Any] = {}
    if isinstance(language_model, str | Path):
        names["language_model_name"] = str(language_model)
        language_model = load_language_model(str(language_model))
    if isinstance(vision_encoder, str | Path):
        names["vision_encoder_name"] = str(vision_encoder)
        vision_encoder = load_vision_encoder(str(vision_encoder))
    if _load_language_model(language_model, weights.language_model):
        names.pop("language_model_name", None)  # its weights differ from those under that name
    model: Flamingo = Flamingo.from_backbones(
        language_model=language_model,
        vision_encoder=vision_encoder,
        image_token_id=image_token_id,
        end_of_chunk_token_id=end_of_chunk_token_id,
        **_architecture(weights, cross_attention_interval),
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
    """Load an OpenFlamingo checkpoint and save it to the folder `out`, as `m3w import-checkpoint openflamingo` does.

    The interval, if not given, is read from the names of the checkpoint's tensors. The token ids, if not given, are
    those that OpenFlamingo added to the language model's tokenizer, and then the processor is saved, too.
    """
    content = _load_file(checkpoint)
    processor = None
    if image_token_id is None or end_of_chunk_token_id is None:
        processor = openflamingo_processor(language_model, vision_encoder)
        image_token_id, end_of_chunk_token_id = processor.image_token_id, processor.end_of_chunk_token_id
    model = load_openflamingo(
        content,
        language_model=language_model,
        vision_encoder=vision_encoder,
        cross_attention_interval=cross_attention_interval or read_checkpoint(content).interval,
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
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers returns for a folder without one
        raise ValueError(
            f"{language_model} has no tokenizer, so the ids of {IMAGE_TOKEN} and {END_OF_CHUNK_TOKEN} are "
            "unknown; give image_token_id and end_of_chunk_token_id, or a language model with its tokenizer"
        )
    for token in (END_OF_CHUNK_TOKEN, IMAGE_TOKEN):
        tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    config = AutoConfig.from_pretrained(vision_encoder)
    return FlamingoProcessor(tokenizer, image_size=getattr(config, "vision_config", config).image_size)


def _load_file(checkpoint: str | Path | dict[str, Any]) -> dict[str, Any]:
    if isinstance(checkpoint, dict):
        return checkpoint
    content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return content


def _architecture(weights: Checkpoint, interval: int) -> dict[str, Any]:
    """Fields of the FlamingoConfig."""
    return {
        "activation": "gelu",
        "head_dim": HEAD_DIM,
        "cross_attention_heads": HEADS,
        "cross_attention_interval": interval,
        "cross_attention_first": interval - 1,
        "resampler_layers": weights.resampler_layers,
        "resampler_latents": len(weights.resampler["latents"]),
        "resampler_heads": HEADS,
        "resampler_frames": len(weights.resampler.get("temporal", ())),
    }


@torch.no_grad()
def _load_language_model(language_model: PreTrainedModel, weights: dict[str, Tensor]) -> bool:
    """Load the checkpoint's tensors into the language model; returns whether any of them differed.

    Its token embeddings are resized to the checkpoint's.
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
    """The language model's tensor `name`; the name of its head differs between releases of transformers."""
    if match := VOCABULARY_MATRIX.fullmatch(name):
        part: Any = language_model.get_output_embeddings() if match[1] else language_model.get_input_embeddings()
        matrix: Tensor = part.weight
        return matrix
    own: dict[str, Tensor] = language_model.state_dict()
    if name not in own:
        raise unknown(f"lang_encoder.{name}")
    return own[name]


def _load_new_parts(model: Flamingo, weights: Checkpoint) -> None:
    expected = model.config.cross_attention_layers
    if sorted(weights.blocks) != list(expected):
        raise ValueError(
            f"the checkpoint has cross-attention before blocks {sorted(weights.blocks)} and cross_attention_interval "
            f"{model.config.cross_attention_interval} puts it before {list(expected)}; give its own interval"
        )
    _load(model.resampler, weights.resampler, "the resampler")
    for index, block in zip(expected, model.cross_attention_blocks, strict=True):
        _load(block, weights.blocks[index], f"the cross-attention before block {index}")


def _load(part: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    own = part.state_dict()
    if wrong := sorted(own.keys() ^ weights.keys()):
        raise ValueError(
            f"{name}: {len(wrong)} tensors are only in the checkpoint or only in the model ({wrong[:3]}), so these are "
            "not the checkpoint's backbones; give those it was trained with"
        )
    for key, tensor in weights.items():
        _check_shape(key, tensor, own[key], name)
    part.load_state_dict(weights)


def _check_shape(key: str, tensor: Tensor, own: Tensor, name: str) -> None:
    if tensor.shape != own.shape:
        raise ValueError(
            f"{name}: {key} is {list(tensor.shape)} in the checkpoint and {list(own.shape)} in the model, so these are "
            "not the checkpoint's backbones; give those it was trained with"
        )


@torch.no_grad()
def _copy_token_rows(model: Flamingo) -> None:
    """Copies the new tokens' rows from the language model's matrices, where OpenFlamingo keeps them."""
    tokens, ids = model.new_tokens, (model.config.image_token_id, model.config.end_of_chunk_token_id)
    inputs: Any = model.get_input_embeddings().weight
    outputs: Any = model.get_output_embeddings().weight
    if max(ids) >= len(inputs):
        raise ValueError(
            f"image_token_id {ids[0]} and end_of_chunk_token_id {ids[1]} lie outside the {len(inputs)} rows of the "
            "checkpoint's token embeddings; give the ids of OpenFlamingo's tokenizer"
        )
    tokens.embedding.copy_(inputs[list(ids)])
    tokens.output_row.copy_(outputs[ids[1] : ids[1] + 1])
