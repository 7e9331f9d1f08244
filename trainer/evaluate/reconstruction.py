"""Image reconstruction, the metric `round_trip`: is the image generated from a caption like the captioned one?

Li et al., "Do DALL-E and Flamingo Understand Each Other?" (arXiv 2212.12249): a text-to-image pipeline generates an
image
from the model's caption, and the cosine of CLIP's image features compares it with the captioned image. Generated images
are kept in OUTPUT/round-trip, for people to look at and for the next call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoImageProcessor, CLIPModel

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.media import read_frames
from m3w.trainer.evaluate.recipe import ReconstructionRecipe
from m3w.trainer.evaluate.scoring import Score
from m3w.trainer.evaluate.tasks.source import Example

LONGER_SIDE = 1024
"""Pixels of the longer side at which the captioned picture is read; CLIP's processor makes it smaller."""


class ImageReconstruction:
    """A text-to-image pipeline and a CLIP model. Raises InputError if one of them cannot be loaded."""

    def __init__(self, recipe: ReconstructionRecipe, folder: Path, device: torch.device) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        try:
            from diffusers import DiffusionPipeline
        except ImportError as error:
            raise InputError(
                "round_trip needs diffusers, which is not installed; pip install 'm3w[round-trip]'"
            ) from error
        try:
            self.pipeline: Any = DiffusionPipeline.from_pretrained(recipe.pipeline).to(device)
            self.clip: Any = CLIPModel.from_pretrained(recipe.clip).eval().to(device)
            self.processor: Any = AutoImageProcessor.from_pretrained(recipe.clip)
        except (OSError, ValueError) as error:
            raise InputError(f"round_trip cannot load its models: {' '.join(str(error).split())}") from error
        self.pipeline.set_progress_bar_config(disable=True)

    def score(self, captions: Sequence[tuple[Example, str]]) -> Score:
        """The cosine, in hundredths, of each picture and the one generated from its caption; and their mean."""
        each = []
        for example, caption in captions:
            (own,) = read_frames(example.media, size=LONGER_SIDE, frames=1)
            both_PV = self.features([own, self.generate(caption)])
            each.append(100.0 * float(both_PV[0] @ both_PV[1]))
        return Score(sum(each) / len(each) if each else float("nan"), tuple(each))

    @torch.no_grad()
    def generate(self, caption: str) -> Image.Image:
        """The image of a caption; one caption always gives the same image."""
        name = hashlib.sha256(caption.encode()).hexdigest()[:24]
        path = self.folder / f"{name}.png"
        if not path.exists():
            side = {} if self.recipe.side is None else {"height": self.recipe.side, "width": self.recipe.side}
            picture = self.pipeline(
                caption,
                num_inference_steps=self.recipe.steps,
                guidance_scale=self.recipe.guidance,
                generator=torch.Generator("cpu").manual_seed(int(name[:8], 16)),
                **side,
            ).images[0]
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}")
            picture.save(partial, "PNG")
            partial.replace(path)
        with Image.open(path) as file:
            return file.convert("RGB")

    @torch.no_grad()
    def features(self, pictures: list[Image.Image]) -> Tensor:
        """features_PV of CLIP's image encoder, of length 1."""
        pixels = self.processor(images=pictures, return_tensors="pt")["pixel_values"].to(self.device)
        output = self.clip.get_image_features(pixel_values=pixels)
        features_PV = getattr(output, "pooler_output", output)  # transformers 5 gives an output, 4 the tensor
        return F.normalize(features_PV.float(), dim=-1)
