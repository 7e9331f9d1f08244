"""Gradients of all processes: when they are sent, that none is missing, how long they are."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


def synchronised(model: nn.Module, *, last: bool, every: bool = False) -> AbstractContextManager[None]:
    """Gradients are sent with the last micro-batch (or with every one); before, they are added up where they are."""
    if isinstance(model, DistributedDataParallel) and not (last or every):
        return model.no_sync()
    if isinstance(model, FSDPModule):
        model.set_is_last_backward(last)
        model.set_requires_gradient_sync(last or every)
    return nullcontext()


def touch(model: nn.Module) -> Tensor | float:
    """Zero, under DDP by way of every trained parameter: so each has a gradient on every process.

    A batch without an image would leave the resampler's out, and DDP would wait for them for ever. A process alone and
    FSDP wait for none: see `fill_missing`.
    """
    if not isinstance(model, DistributedDataParallel):
        return 0.0
    return 0.0 * torch.stack([p.flatten()[0] for p in model.parameters() if p.requires_grad]).sum()


def fill_missing(model: nn.Module) -> None:
    """Zeros for trained parameters that got no gradient, which under FSDP are the same ones on every process.

    AdamW would pass them over, in one process where it doesn't in two.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def room_of(name: str) -> str:
    """The part of a Flamingo that the parameter called `name` is of: `resampler`, `cross_attention`, ..."""
    name = name.removeprefix("module.")
    return "cross_attention" if ".cross_attention." in name else name.partition(".")[0]


def clip(model: nn.Module, largest: float) -> dict[str, float]:
    """Scales all gradients so that their global norm is at most `largest`; returns the norms before, by room.

    The norm of a sharded gradient is that of the whole of it. The global norm is the root of the squares' sum.
    """
    rooms: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            rooms.setdefault(room_of(name), []).append(parameter)
    norms = {room: _norm(parameters) for room, parameters in rooms.items()}
    total = torch.stack(list(norms.values())).square().sum().sqrt()
    clip_grads_with_norm_([p for parameters in rooms.values() for p in parameters], largest, total)
    return {room: float(norm) for room, norm in norms.items()}


def _norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """float32 scalar, the same on every process."""
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
