"""Memory of one GPU in a training, from a model on the meta device.

Weights, gradients and optimizer state are exact sums over parameters. Activations are what autograd saves in one
micro-batch, measured by running the model's blocks on the meta device. Rounding by the allocator, workspaces of kernels
and the vision encoder's working memory come on top: allow a fifth.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from m3w.model import Flamingo
from m3w.model.cross_attention import AttentionMap, VisionContext
from m3w.model.phi import tile_index
from m3w.trainer.distributed.gradients import module_group
from m3w.trainer.distributed.parallelize import language_parts

ADAM_BYTES = 8
"""Bytes per trained parameter: two float32 moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on one GPU."""

    weights: int
    gradients: int
    optimizer: int
    gathered: int
    """Sharded weights that are gathered while a block runs, and those of the next one."""
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.gathered + self.activations


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters of a part of the model."""

    trained: int
    frozen: int


def count_parameters(model: Flamingo) -> dict[str, ParameterCount]:
    """Parameters by module group; tied matrices count once."""
    counts: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        counts.setdefault(module_group(name), [0, 0])[0 if parameter.requires_grad else 1] += parameter.numel()
    return {group: ParameterCount(*count) for group, count in counts.items()}


def estimate(
    model: Flamingo, *, shards: int, bf16: bool, micro_batch: int, tokens: int, images: int, features: int,
    checkpointing: bool, whole_gradients: bool,
) -> Memory:  # fmt: skip
    """The memory of a process that shares one copy of the model with `shards` - 1 others (1: it holds all of it).

    A micro-batch has `micro_batch` rows of `tokens` tokens with `images` images each, of `features` features.
    `whole_gradients`: gradients of several micro-batches are accumulated before they are reduced.
    """
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    held = sum(p.numel() * p.element_size() for p in model.parameters())
    gathered = 0
    if shards > 1:
        gathered = _gathered(model, 2 if bf16 else 4)
    elif bf16:
        gathered = 2 * trained  # autocast's copies of the trained weights, kept until the backward pass ends
    gradients = 4 * trained // shards + (4 * trained if shards > 1 and whole_gradients else 0)
    return Memory(
        weights=held // shards,
        gradients=gradients,
        optimizer=ADAM_BYTES * trained // shards,
        gathered=gathered,
        activations=activations(
            model, bf16=bf16, rows=micro_batch, tokens=tokens, images=images, features=features,
            checkpointing=checkpointing,
        ),
    )  # fmt: skip


def _gathered(model: Flamingo, element: int) -> int:
    """The root's group, which stays gathered, and the two largest of the others: one in use, one being gathered."""
    parts: list[nn.Module] = [*language_parts(model), model.resampler]
    sizes = [sum(p.numel() for p in part.parameters()) * element for part in parts]
    inside = {id(p) for part in (*parts, model.vision_encoder) for p in part.parameters()}
    root: int = sum(p.numel() * element for p in model.parameters() if id(p) not in inside)
    return root + sum(sorted(sizes)[-2:])


def activations(
    model: Flamingo, *, bf16: bool, rows: int, tokens: int, images: int, features: int, checkpointing: bool
) -> int:
    """Bytes that autograd saves in the forward pass of one micro-batch, without parameters."""
    kept = dict(model.named_parameters())
    half = torch.bfloat16 if bf16 else torch.float32
    types = {name: parameter.dtype for name, parameter in kept.items()}
    model.to(half)  # autocast has no effect on the meta device
    try:
        saved, inputs = _run(model, half, rows, tokens, images, features)
    finally:
        for name, parameter in kept.items():
            parameter.data = parameter.data.to(types[name])
    columns = model.new_tokens.columns
    head = rows * tokens * columns * (half.itemsize + 4 + 4)  # logits, their float32, the gradient of it
    if not checkpointing:
        return sum(saved.values()) + head
    parts = {id(part) for part in language_parts(model)}
    largest = max(size for part, size in saved.items() if part in parts)
    return head + inputs + largest + sum(size for part, size in saved.items() if part not in parts)


def _run(
    model: Flamingo, dtype: torch.dtype, rows: int, tokens: int, images: int, features: int
) -> tuple[dict[int, int], int]:
    """Bytes saved by language part (by its id; 0: outside of them), and bytes of the inputs of all language parts."""
    config = model.config
    pixels = torch.zeros(rows * images, 1, features, config.vision_width, device="meta", dtype=dtype)
    embedded = torch.zeros(rows, tokens, config.text_config.hidden_size, device="meta", dtype=dtype, requires_grad=True)
    numbers = torch.zeros(rows, tokens, dtype=torch.long, device="meta")
    model.train()
    with _saved_bytes(model) as saved:
        latents = model.latent_projection(model.resampler(pixels))
        vision_context = VisionContext(latents, AttentionMap(tile_index(numbers, rows * images), None, numbers), None)
        positions = torch.arange(tokens, device="meta").expand(rows, tokens)
        mask = torch.ones(
            rows, 1, tokens, tokens, dtype=torch.bool, device="meta"
        )  # of four dimensions: used without change
        model.language_model(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=positions,
            cross_attention=vision_context,
            use_cache=False,
            logits_to_keep=1,
        )
    parts = sum(1 for _ in language_parts(model))
    return saved, parts * embedded.numel() * embedded.element_size()


@contextmanager
def _saved_bytes(model: Flamingo) -> Iterator[dict[int, int]]:
    """Fills the dict with the bytes that autograd saves while a part runs. A tensor that is saved twice counts once."""
    saved: dict[int, int] = {0: 0}
    current, seen = [0], {id(p) for p in model.parameters()}
    alive: list[Tensor] = []  # else its id could be reused

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        base = tensor._base if tensor._base is not None else tensor
        if id(base) not in seen and storage._cdata not in seen:
            seen.update((id(base), storage._cdata))
            alive.append(base)
            saved[current[-1]] = saved.get(current[-1], 0) + storage.nbytes()
        return tensor

    def enter(part: nn.Module, *_: object) -> None:
        current.append(id(part))

    def leave(*_: object) -> None:
        current.pop()

    seen |= {p.untyped_storage()._cdata for p in model.parameters()}
    handles = [
        handle
        for part in language_parts(model)
        for handle in (part.register_forward_pre_hook(enter), part.register_forward_hook(leave))
    ]
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            yield saved
    finally:
        for handle in handles:
            handle.remove()
