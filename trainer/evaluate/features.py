"""Features of pictures by the frozen vision encoder, kept on disk: what RICES compares.

A feature is the mean of the encoder's features over places and frames, at length 1. It is kept under the encoder's
fingerprint and that of the picture's bytes, so that a file that changed is looked at again and one that moved is not.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3w.model.vision import frame_features
from m3w.trainer.evaluate.example import Media
from m3w.trainer.evaluate.media import read_bytes
from m3w.trainer.evaluate.pictures import Pictures


def encoder_fingerprint(encoder: nn.Module) -> str:
    """Of its weights, every one."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class Features:
    """Features of pictures and videos, from `folder` where they are there, else computed and put there."""

    def __init__(self, folder: Path, encoder: nn.Module, pictures: Pictures) -> None:
        form = f"{pictures.size}-{pictures.frames}"
        self.folder = folder / f"{encoder_fingerprint(encoder)}-{form}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.encoder, self.pictures = encoder, pictures
        self.computed = 0
        """Pictures that were not in the folder."""

    def of(self, media: Media) -> Tensor:
        """feature_V of one picture or video. Raises UnreadableMediaError."""
        place = self._place(media)
        if place.exists():
            return torch.from_numpy(np.load(place))
        feature_V = self._compute(media)
        self.computed += 1
        partial = place.with_name(f".{place.name}.{os.getpid()}")
        with partial.open("wb") as file:
            np.save(file, feature_V.numpy())
        partial.replace(place)  # in one step: ranks may meet at one picture
        return feature_V

    def _place(self, media: Media) -> Path:
        digest = hashlib.sha256(read_bytes(media))
        digest.update(f"{media.start} {media.end}".encode())
        return self.folder / f"{digest.hexdigest()[:32]}.npy"

    @torch.no_grad()
    def _compute(self, media: Media) -> Tensor:
        parameter = next(self.encoder.parameters())
        pixels_TCHW = self.pictures.pixels(media).to(parameter.device, parameter.dtype)
        features_TSV = frame_features(self.encoder, pixels_TCHW)
        return F.normalize(features_TSV.float().mean(dim=(0, 1)), dim=0).cpu()
