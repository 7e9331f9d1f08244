"""Captions judged by the pictures that are drawn from them: how alike those are to the pictures that were captioned.

The round trip of Li et al., "Do DALL-E and Flamingo Understand Each Other?" (arXiv 2212.12249): a caption is drawn by a
text-to-image pipeline, and the picture compared with the captioned one by the cosine of CLIP's image features. Pictures
are kept in OUTPUT/round-trip, so that a person can look, and are not drawn again.
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
from m3w.trainer.evaluate.example import Example
from m3w.trainer.evaluate.media import read_frames
from m3w.trainer.evaluate.recipe import RoundTripRecipe
from m3w.trainer.evaluate.scoring import Score

SEEN = 1024
"""The longer side at which the captioned picture is read, pixels; CLIP's processor makes it smaller."""


class RoundTrip:
    """A text-to-image pipeline and a CLIP, loaded once. Raises InputError if one is not there."""

    def __init__(self, recipe: RoundTripRecipe, folder: Path, device: torch.device) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        try:
            from diffusers import DiffusionPipeline
        except ImportError as error:
            raise InputError(
                "round_trip draws captions by diffusers, which is not installed; pip install 'm3w[round-trip]'"
            ) from error
        try:
            self.pipeline: Any = DiffusionPipeline.from_pretrained(recipe.pipeline).to(device)
            self.clip: Any = CLIPModel.from_pretrained(recipe.clip).eval().to(device)
            self.processor: Any = AutoImageProcessor.from_pretrained(recipe.clip)
        except (OSError, ValueError) as error:
            raise InputError(f"round_trip cannot load its models: {' '.join(str(error).split())}") from error
        self.pipeline.set_progress_bar_config(disable=True)

    def score(self, captioned: Sequence[tuple[Example, str]]) -> Score:
        """The cosine, in hundredths, of each picture with the one drawn from its caption, and their mean."""
        each = []
        for example, caption in captioned:
            (own,) = read_frames(example.media, size=SEEN, frames=1)
            both = self.features([own, self.draw(caption)])
            each.append(100.0 * float(both[0] @ both[1]))
        return Score(sum(each) / len(each) if each else float("nan"), tuple(each))

    @torch.no_grad()
    def draw(self, caption: str) -> Image.Image:
        """The picture of a caption; the same one whenever it is asked for."""
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
        """features_PV of CLIP's image half, of length 1."""
        pixels = self.processor(images=pictures, return_tensors="pt")["pixel_values"].to(self.device)
        found = self.clip.get_image_features(pixel_values=pixels)
        found = getattr(found, "pooler_output", found)  # transformers 5 gives an output, 4 the tensor
        return F.normalize(found.float(), dim=-1)
