"""One update of OpenFlamingo's own code at our shapes: its loop, its padding of images, its AdamW.

The user provides the checkout (github.com/mlfoundations/open_flamingo); none of it is included here. It needs `einops`
and `einops_exts`. Its package imports open_clip for pretrained weights, which random weights do not need, so its
modules are loaded without the package. Its resampler and its cross-attention have heads of a fixed size (8 x 64), so
tiny shapes would not be equal: this row is only for GPUs. The vision encoder and the language model are ours, passed in
as its factory would.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from m3w.model import Flamingo
from m3w.model.vision import frame_features


class _Visual(nn.Module):
    """As open_clip's: (summary, features)."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, frame_features(self.encoder, pixels.to(self.encoder.dtype))


def open_flamingo_step(checkout: Path, ours: Flamingo, shapes: Any, device: torch.device) -> Callable[[], object]:
    """Raises ImportError or OSError where the checkout or what it needs is not there."""
    if not (checkout / "open_flamingo" / "src" / "flamingo.py").is_file():
        raise OSError(f"{checkout} is no checkout of open_flamingo")
    for name, folder in (("open_flamingo", "open_flamingo"), ("open_flamingo.src", "open_flamingo/src")):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / folder)]
        sys.modules[name] = package
    theirs: Any = importlib.import_module("open_flamingo.src.flamingo")
    mixin: Any = importlib.import_module("open_flamingo.src.flamingo_lm").FlamingoLMMixin
    extend: Any = importlib.import_module("open_flamingo.src.utils").extend_instance
    config, vocabulary = ours.config, ours.config.text_config.vocab_size
    with device:
        language_model = AutoModelForCausalLM.from_config(deepcopy(config.text_config))
        language_model.resize_token_embeddings(vocabulary + 2, mean_resizing=False)
        extend(language_model, mixin)
        language_model.set_decoder_layers_attr_name("gpt_neox.layers")
        visual = types.SimpleNamespace(visual=_Visual(deepcopy(ours.vision_encoder).float()))
        model = theirs.Flamingo(
            visual, language_model, vocabulary + 1, vocabulary, config.vision_width, config.cross_attention_interval
        )
    model.requires_grad_(False)
    model.perceiver.requires_grad_(True)
    model.lang_encoder.gated_cross_attn_layers.requires_grad_(True)
    model.lang_encoder.get_input_embeddings().requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    pixels, ids = _padded(vocabulary, shapes)
    pixels, ids = pixels.to(device), ids.to(device)
    labels = ids.masked_fill(ids == vocabulary, -100)

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=shapes.bf16):
            loss = model(vision_x=pixels, lang_x=ids, attention_mask=torch.ones_like(ids), labels=labels)[0]
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _padded(image_token: int, shapes: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The same rows as ours, with the images of each row padded to the fullest, as its loader gives them."""
    ids = torch.randint(0, image_token, (shapes.rows, shapes.tokens))
    size = shapes.image_size
    pixels = torch.zeros(shapes.rows, min(3, shapes.rows), 1, 3, size, size)
    for row in range(shapes.rows):
        images = 1 + row % 3
        ids[row, torch.arange(images) * (shapes.tokens // images)] = image_token
        pixels[row, :images] = torch.randn(images, 1, 3, size, size)
    return pixels, ids
