"""Loading of a pretrained language model into a sharded Flamingo, without any process ever holding all of it.

The model is made on the meta device and sharded; then every process reads, of every tensor in the safetensors files,
the rows of its own shard. The new parts are initialised in the order of `Flamingo`, so that their values are those of a
training that does not shard.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from m3w.model import Flamingo
from m3w.model.checkpoint import load_language_model
from m3w.model.cross_attention import GatedCrossAttention
from m3w.model.insertion import decoder_blocks
from m3w.model.layers import initialize
from m3w.model.resampler import PerceiverResampler, latent_projection
from m3w.trainer.distributed.ranks import Ranks

log = logging.getLogger(__name__)

Rows = Callable[[int, int], Tensor]
"""Gives the rows from `first` up to `last` of a tensor."""


def meta_language_model(name: str) -> PreTrainedModel:
    """The language model `name` without weights; only its buffers (rotary frequencies) have values."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(name))
    for part in model.modules():
        own = {key: buffer for key, buffer in part.named_buffers(recurse=False) if buffer.is_meta}
        for key, buffer in own.items():
            part._buffers[key] = torch.zeros_like(buffer, device="cpu")
        if own:
            model._init_weights(part)  # as transformers fills buffers when it loads a model; parameters stay on meta
    return model


def fill(model: Flamingo, name: str, ranks: Ranks) -> None:
    """Fills a sharded Flamingo whose language model is `meta_language_model(name)` with values.

    The new parts are initialised from torch's generator.
    """
    model._apply(lambda tensor: torch.empty_like(tensor, device=ranks.device) if tensor.is_meta else tensor)
    for buffers in (part._buffers for part in model.modules()):
        buffers.update({key: value.to(ranks.device) for key, value in buffers.items() if value is not None})
    with torch.no_grad():
        _load_language_model(model, name, ranks)
        _initialise_new_parts(model)
        _initialise_new_tokens(model)


def _load_language_model(model: Flamingo, name: str, ranks: Ranks) -> None:
    wanted = dict(_language_parameters(model))
    files = _rows_of_files(name, wanted, getattr(model.language_model, "base_model_prefix", ""))
    if files is None:
        log.warning(
            "%s has no safetensors files with the names of its parameters, so the first process loads all of it and "
            "broadcasts it, tensor by tensor; it needs enough memory for that",
            name,
        )
        files = _rows_of_first_rank(name, wanted, ranks)
    for key, parameter in wanted.items():
        copy_rows(parameter, files[key])


def copy_rows(parameter: Tensor, rows: Rows) -> None:
    """Fills this process's shard of `parameter` (all of it if it is not sharded)."""
    if not isinstance(parameter, DTensor):
        parameter.copy_(rows(0, len(parameter)))
        return
    shape, offset = compute_local_shape_and_global_offset(parameter.shape, parameter.device_mesh, parameter.placements)
    if shape[0]:
        parameter.to_local().copy_(rows(offset[0], offset[0] + shape[0]))


def _language_parameters(model: Flamingo) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters by their names in the plain language model, in which no block is wrapped."""
    blocks = decoder_blocks(model.language_model)
    prefix = next(name for name, part in model.language_model.named_modules() if part is blocks)
    for name, parameter in model.language_model.named_parameters():
        if ".cross_attention." not in name:
            head, blocks_prefix, tail = name.partition(f"{prefix}.")
            number, _, rest = tail.partition(".")
            plain = f"{head}{blocks_prefix}{number}.{rest.removeprefix('block.')}" if blocks_prefix else name
            yield plain, parameter


def _rows_of_files(name: str, wanted: dict[str, nn.Parameter], prefix: str) -> dict[str, Rows] | None:
    """The rows of each wanted parameter; None if the files lack one."""
    single = cached_file(name, SAFE_WEIGHTS_NAME, _raise_exceptions_for_missing_entries=False)
    index = cached_file(name, SAFE_WEIGHTS_INDEX_NAME, _raise_exceptions_for_missing_entries=False)
    if single is None and index is None:
        return None
    shards = [single] if single is not None else get_checkpoint_shard_files(name, index)[0]
    stored: dict[str, Rows] = {}
    for shard in shards:
        file: Any = safe_open(shard, framework="pt")
        keys = file.keys()
        stored |= {key: _file_rows(file, key) for key in keys}
    named = {
        key: stored.get(key) or stored.get(key.removeprefix(f"{prefix}.")) or stored.get(f"{prefix}.{key}")
        for key in wanted
    }
    return None if None in named.values() else {key: rows for key, rows in named.items() if rows is not None}


def _file_rows(file: Any, key: str) -> Rows:
    return lambda first, last: file.get_slice(key)[first:last]


def _rows_of_first_rank(name: str, wanted: dict[str, nn.Parameter], ranks: Ranks) -> dict[str, Rows]:
    whole = dict(load_language_model(name).named_parameters()) if ranks.first else {}

    def rows(key: str) -> Rows:
        tensor = whole[key].detach() if ranks.first else torch.empty(wanted[key].shape, dtype=wanted[key].dtype)
        tensor = tensor.to(wanted[key].dtype).contiguous()
        dist.broadcast(tensor, 0)
        return lambda first, last: tensor[first:last]

    return _OneByOne(rows, wanted)


class _OneByOne(dict[str, Rows]):
    """Rows that are computed on access. Every rank must access them in the same order."""

    def __init__(self, rows: Callable[[str], Rows], keys: dict[str, nn.Parameter]) -> None:
        super().__init__(dict.fromkeys(keys))  # type: ignore[arg-type]
        self._rows = rows

    def __getitem__(self, key: str) -> Rows:
        return self._rows(key)


def _initialise_new_parts(model: Flamingo) -> None:
    """Initialises the new parts in the order of Flamingo's constructor. One part at a time is held whole."""
    config = model.config
    drawn = PerceiverResampler(config), latent_projection(config)
    for part, new in zip((model.resampler, model.latent_projection), drawn, strict=True):
        initialize(new, config.initializer_range)
        _copy(part, new)
    for number, block in enumerate(model.cross_attention_blocks):
        _copy(block, GatedCrossAttention(config, number))


def _copy(part: nn.Module, new: nn.Module) -> None:
    values = dict(new.named_parameters())
    for name, parameter in part.named_parameters():
        value = values[name].detach()
        copy_rows(parameter, lambda first, last, value=value: value[first:last])  # type: ignore[misc]


def _initialise_new_tokens(model: Flamingo) -> None:
    """New tokens start at the mean of the language model's rows."""
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    for parameter, matrix in ((model.new_tokens.embedding, inputs), (model.new_tokens.output_row, outputs)):
        total = matrix.detach().float().sum(dim=0)  # type: ignore[operator]
        whole = total.full_tensor() if isinstance(total, DTensor) else total
        mean = (whole / matrix.shape[0]).expand(parameter.shape)  # type: ignore[index]
        copy_rows(parameter, lambda first, last, mean=mean: mean[first:last])  # type: ignore[misc]
