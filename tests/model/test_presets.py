"""The paper's models, counted on the meta device."""

from __future__ import annotations

import pytest
import torch
from model_families import vision_encoder
from torch import nn

from m3w.model import Flamingo
from m3w.model.presets import preset

NFNET_F6 = 435e6
"""Parameters of the vision encoder, which the preset takes from timm; a tiny one stands in for it here."""


def count(parts: nn.Module | list[nn.Module]) -> int:
    modules = parts if isinstance(parts, list) else [parts]
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "language", "blocks", "in_blocks", "total", "places"),
    [
        ("Flamingo-3B", "1.4", 24, "1.2", "3.2", 1),
        ("Flamingo-9B", "7.1", 10, "1.6", "9.3", 1),
        ("Flamingo-80B", "70", 12, "10", "80", 0),
    ],
)
def test_parameter_counts_are_those_of_the_papers_table(
    name: str, language: str, blocks: int, in_blocks: str, total: str, places: int
) -> None:
    config = preset(name)
    with torch.device("meta"):
        model = Flamingo(config, vision_encoder=vision_encoder())
        found = {
            "language": count(model.language_model) - count(model.cross_attention_blocks),
            "in_blocks": count(model.cross_attention_blocks),
            "total": count(model) - count(model.vision_encoder) + NFNET_F6,
        }
    assert {key: f"{value / 1e9:.{places}f}" for key, value in found.items()} == {
        "language": language,
        "in_blocks": in_blocks,
        "total": total,
    }
    assert len(model.cross_attention_blocks) == blocks
    assert round(count(model.resampler) / 1e6) == 194


def test_blocks_stand_before_the_first_and_then_every_kth() -> None:
    assert preset("Flamingo-3B").cross_attention_layers == tuple(range(24))
    assert preset("Flamingo-9B").cross_attention_layers == (0, 4, 8, 12, 16, 20, 24, 28, 32, 36)
    assert preset("Flamingo-80B").cross_attention_layers == tuple(range(0, 80, 7))
    assert all(preset(f"Flamingo-{size}").head_dim == 128 for size in ("3B", "9B", "80B"))
    with pytest.raises(ValueError, match="'Flamingo-7B' is not a Flamingo of the paper"):
        preset("Flamingo-7B")
