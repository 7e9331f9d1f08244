"""The types that a training computes in: float32 master weights, bf16 activations on GPUs."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from m3w.model import Flamingo


def in_bf16(device: torch.device, precision: str) -> bool:
    """Whether `precision` says so, or is `auto` and the device is a GPU."""
    return precision == "bf16" or (precision == "auto" and device.type == "cuda")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """bf16 activations if `in_bf16` says so; also used in validation and evaluation."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=in_bf16(device, precision))


def set_types(model: Flamingo, *, bf16: bool) -> Flamingo:
    """Trained parameters to float32, frozen ones to the type of the activations, in place (appendix B.1.2)."""
    frozen = torch.bfloat16 if bf16 else torch.float32
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32 if parameter.requires_grad else frozen)
    return model
