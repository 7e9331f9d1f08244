"""What a Flamingo over timm's NFNets gives, as JSON: run by `test_timm.py` in a process of its own, since torchvision,
which timm imports, would be found by every other test, too.

    python tests/model/timm_encoder.py meta | small FOLDER | whole
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]


def load_torchvision() -> None:
    """torchvision from PyPI is built for CUDA and finds no operators of its own beside the CPU build of torch, so its
    import fails where it describes two of them. timm's models use neither: declared, they may stay without a kernel.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[module]


load_torchvision()

from model_families import IMAGE, language_model, open_gates  # noqa: E402
from transformers import AutoConfig, AutoModel, PreTrainedModel  # noqa: E402

from m3w.model import Flamingo, FlamingoConfig  # noqa: E402
from m3w.model.presets import preset  # noqa: E402
from m3w.model.processor import image_format  # noqa: E402

IDS = torch.tensor([[5, IMAGE, 6, 7, IMAGE, 8]])
SMALL = {"head_dim": 8, "resampler_layers": 1, "resampler_heads": 2, "resampler_latents": 4, "resampler_width": 16}


TRAINED = {"input_size": [3, 64, 64], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}
"""As timm's files say it."""


def encoder(architecture: str) -> PreTrainedModel:
    config = AutoConfig.for_model("timm_wrapper", architecture=architecture, pretrained_cfg=TRAINED)
    return AutoModel.from_config(config).eval()


def on_the_meta_device() -> dict[str, Any]:
    """The paper's encoder in the preset that names it, without memory for weights."""
    with torch.device("meta"):
        model = Flamingo(preset("Flamingo-3B"))
    return {
        "encoder": model.vision_encoder.config.architecture,
        "encoder_parameters": sum(parameter.numel() for parameter in model.vision_encoder.parameters()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "latents": list(model.encode_images(torch.zeros(2, 1, 3, 64, 64, device="meta")).shape),
    }


def trained_and_saved(folder: Path) -> dict[str, Any]:
    """timm's smallest NFNet in a Flamingo: influence of the image, gradients, the way to disk and back."""
    torch.manual_seed(0)
    nfnet = encoder("test_nfnet")
    nfnet.save_pretrained(folder / "vision")
    language_model("opt").save_pretrained(folder / "lm")
    model = Flamingo.from_backbones(language_model=str(folder / "lm"), vision_encoder=str(folder / "vision"), **SMALL)
    open_gates(model.eval())
    call = (IDS, None, torch.randn(2, 1, 3, 64, 64), torch.tensor([2]))
    given = model(*call, labels=IDS)
    given.loss.backward()
    other = model(IDS, None, torch.randn(2, 1, 3, 64, 64), torch.tensor([2]))
    same = {}
    for name, options in (("whole", {}), ("trained", {"trained_only": True})):
        model.save_pretrained(folder / name, **options)
        again = Flamingo.from_pretrained(folder / name)
        same[name] = (again(*call).logits - given.logits).abs().max().item()
    config = FlamingoConfig.from_pretrained(folder / "whole")
    return {
        "vision_width": config.vision_width,
        "architecture": config.vision_config.architecture,
        "moved": ((other.logits - given.logits)[0, :, :40].abs().amax(-1) > 0).tolist(),
        "with_gradient": sorted({name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}),
        "frozen_in_evaluation_mode": not model.train().vision_encoder.training,
        "largest_difference": same,
        "image_format": image_format(str(folder / "vision")),
    }


def whole_forward() -> dict[str, Any]:
    """All 435 M parameters in bfloat16 (0.9 GB), with values that keep activations in range."""
    torch.manual_seed(0)
    with torch.device("meta"):
        nfnet = encoder("dm_nfnet_f6").to(torch.bfloat16)
    nfnet.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in nfnet.parameters():
            parameter.fill_(0.01) if parameter.ndim < 2 else parameter.normal_(std=0.02)
    model = Flamingo.from_backbones(language_model=language_model("opt"), vision_encoder=nfnet, **SMALL)
    latents = model.encode_images(torch.randn(1, 2, 3, 64, 64))
    return {"latents": list(latents.shape), "finite": bool(latents.isfinite().all())}


if __name__ == "__main__":
    torch.set_num_threads(1)
    steps = {"meta": on_the_meta_device, "small": lambda: trained_and_saved(Path(sys.argv[2])), "whole": whole_forward}
    print(json.dumps(steps[sys.argv[1]]()))
