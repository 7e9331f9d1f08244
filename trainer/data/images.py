"""Bytes of an image to pixels as the vision encoder takes them: aspect kept, padded with the mean colour.

Flamingo (arXiv 2204.14198, appendix A.3.1): 320 x 320, padding with the mean value, random left-right flips,
colour augmentation. The mean is the encoder's own, so padded pixels are 0 after normalisation.
"""

from __future__ import annotations

import random
import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

MAX_PIXELS = 64_000_000
"""Larger images count as undecodable: 64 Mpx take 192 MB as RGB, and a loader has several workers."""

COLOUR_CHANGE = 0.2
"""Brightness, contrast and saturation are each scaled by a factor drawn from 1 +- this."""


class UndecodableImageError(ValueError):
    """Bytes that are not a whole picture: the loader skips the sample and counts it; it never trains on a blank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """What the vision encoder takes."""

    size: int
    """Side of the square, pixels."""
    mean: tuple[float, float, float]
    """By channel, of values in 0..1."""
    std: tuple[float, float, float]


def decode_image(content: bytes, size: int) -> Image.Image:
    """The RGB picture in `content`, upright, its longer side `size` pixels.

    A JPEG is decoded at the smallest of its scales that is still no smaller than `size` (Pillow's draft
    mode: a 2000 px photograph for 320 px in a quarter of the time). Raises UndecodableImageError.
    """
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(content)) as file:
            warnings.simplefilter("ignore")
            if file.width * file.height > MAX_PIXELS:
                raise UndecodableImageError(f"{file.width} x {file.height} pixels, more than {MAX_PIXELS:,}")
            file.draft("RGB", _fit(file.width, file.height, size))
            picture = _to_rgb(ImageOps.exif_transpose(file))
        return picture.resize(_fit(picture.width, picture.height, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    except UndecodableImageError:
        raise
    except Exception as error:  # Pillow's readers raise whatever the bytes lead them to
        raise UndecodableImageError(f"{type(error).__name__}: {error}") from error


def _fit(width: int, height: int, size: int) -> tuple[int, int]:
    longer = max(width, height)
    return max(1, round(width * size / longer)), max(1, round(height * size / longer))


def _to_rgb(picture: Image.Image) -> Image.Image:
    """The picture in RGB, the transparent white; 16-bit grey is scaled, since Pillow's own conversion clips it."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def augment_image(picture: Image.Image, draw: random.Random, *, flip: bool, colour: bool) -> Image.Image:
    """The picture with the random changes asked for: half of them mirrored, colours a little changed."""
    if flip and draw.random() < 0.5:
        picture = ImageOps.mirror(picture)
    if colour:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            picture = enhance(picture).enhance(draw.uniform(1 - COLOUR_CHANGE, 1 + COLOUR_CHANGE))
    return picture


def to_pixels(picture: Image.Image, pixels: PixelFormat) -> torch.Tensor:
    """float32 [3, size, size]: normalised, in the middle of a square padded with the mean."""
    mean, std = np.array(pixels.mean, np.float32), np.array(pixels.std, np.float32)
    values = (np.asarray(picture, np.float32) / np.float32(255) - mean) / std
    square = np.zeros((3, pixels.size, pixels.size), np.float32)
    height, width = values.shape[:2]
    top, left = (pixels.size - height) // 2, (pixels.size - width) // 2
    square[:, top : top + height, left : left + width] = values.transpose(2, 0, 1)
    return torch.from_numpy(square)
