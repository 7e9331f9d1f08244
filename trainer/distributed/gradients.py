"""Gradients of all processes: when they are reduced, that none is missing, their norms."""

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
    """Gradients are reduced at the last micro-batch (or at `every` one) and accumulated locally before."""
    if isinstance(model, DistributedDataParallel) and not (last or every):
        return model.no_sync()
    if isinstance(model, FSDPModule):
        model.set_is_last_backward(last)
        model.set_requires_gradient_sync(last or every)
    return nullcontext()


def touch(model: nn.Module) -> Tensor | float:
    """Zero; under DDP it depends on every trained parameter, so that each has a gradient on every process.

    A batch without an image gives the resampler none, and DDP would wait for it for ever. A single process and FSDP do
    not wait: see `fill_missing`.
    """
    if not isinstance(model, DistributedDataParallel):
        return 0.0
    return 0.0 * torch.stack([p.flatten()[0] for p in model.parameters() if p.requires_grad]).sum()


def fill_missing(model: nn.Module) -> None:
    """Gives trained parameters without a gradient zeros. Under FSDP they are the same ones on every process.

    AdamW would skip them in one process but not in two.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def module_group(name: str) -> str:
    """The part of a Flamingo that the parameter `name` belongs to: `resampler`, `cross_attention`, ..."""
    name = name.removeprefix("module.")
    return "cross_attention" if ".cross_attention." in name else name.partition(".")[0]


def clip(model: nn.Module, largest: float) -> dict[str, float]:
    """Scales all gradients so that their global norm is at most `largest`; returns the norms before, by module group.

    The norm of a sharded gradient is that of all its shards. The global norm is the root of the sum of squares.
    """
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            groups.setdefault(module_group(name), []).append(parameter)
    norms = {group: _norm(parameters) for group, parameters in groups.items()}
    total = torch.stack(list(norms.values())).square().sum().sqrt()
    clip_grads_with_norm_([p for parameters in groups.values() for p in parameters], largest, total)
    return {group: float(norm) for group, norm in norms.items()}


def _norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """float32 scalar, equal on all processes."""
    norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
