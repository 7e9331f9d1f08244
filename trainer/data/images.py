"""Bytes of an image to the pixels of the vision encoder: aspect kept, padded with the mean colour.

Flamingo (arXiv 2204.14198, appendix A.3.1): 320 x 320, padding with the mean value, random left-right flips,
colour augmentation. The mean is that of the encoder, so padded pixels are 0 after normalisation.

Shapes: H, W sides of the picture, S side of the square.
"""

from __future__ import annotations

import random
import warnings
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

cv2.setNumThreads(0)  # loader workers run in parallel; OpenCV's threads don't survive their fork

Picture = NDArray[np.uint8]
"""RGB, [H, W, 3]."""

MAX_PIXELS = 64_000_000
"""Larger images are rejected as undecodable: 64 Mpx take 192 MB as RGB, and a loader has several workers."""

TRANSPOSED = (5, 6, 7, 8)
"""EXIF orientations in which the file's rows are the picture's columns."""

COLOUR_CHANGE = 0.2
"""Brightness, contrast and saturation are each scaled by a factor from 1 - this to 1 + this."""

LUMA = np.array((0.299, 0.587, 0.114), np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


class UndecodableImageError(ValueError):
    """Bytes that do not decode to a whole picture. The loader counts the sample and replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """The pixels that a vision encoder takes."""

    size: int
    """Side of the square, pixels."""
    mean: tuple[float, float, float]
    """Per channel, of values in 0..1."""
    std: tuple[float, float, float]


def decode_image(content: bytes, size: int) -> Picture:
    """The picture in `content`, upright, its longer side `size` pixels. Raises UndecodableImageError.

    A JPEG is decoded at the smallest of its scales that is still no smaller than `size` (Pillow's draft mode).
    """
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(content)) as file:
            warnings.simplefilter("ignore")
            if file.width * file.height > MAX_PIXELS:
                raise UndecodableImageError(f"{file.width} x {file.height} pixels, more than {MAX_PIXELS:,}")
            # From the full size: the aspect of a JPEG's smaller scale is a little off, and the result would lose a row.
            wanted = fitted(file.width, file.height, size)
            if file.getexif().get(ExifTags.Base.Orientation, 1) in TRANSPOSED:
                wanted = wanted[::-1]
            file.draft("RGB", wanted)
            picture = _to_rgb(ImageOps.exif_transpose(file))
        return _resized(picture, wanted)
    except UndecodableImageError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many types
        raise UndecodableImageError(f"{type(error).__name__}: {error}") from error


def fitted(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height with the longer one `size`."""
    longer = max(width, height)
    return max(1, round(width * size / longer)), max(1, round(height * size / longer))


def _resized(picture: Image.Image, wanted: tuple[int, int]) -> Picture:
    """Downscaled by OpenCV's area means, in 0.6 of the time of Pillow's bicubic filter; upscaled by the latter."""
    if max(picture.size) <= max(wanted):
        return np.asarray(picture if wanted == picture.size else picture.resize(wanted, Image.Resampling.BICUBIC))
    return np.asarray(cv2.resize(np.asarray(picture), wanted, interpolation=cv2.INTER_AREA), np.uint8)


def _to_rgb(picture: Image.Image) -> Image.Image:
    """The picture in RGB on a white background; 16-bit grey is scaled, since Pillow's conversion clips it."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One draw of the random changes; all frames of a video share it."""

    mirrored: bool
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0

    def __call__(self, picture: Picture) -> Picture:
        """The augmented picture. Colours are changed by one matrix, so that they are rounded and clipped once."""
        if self.mirrored:
            picture = np.asarray(cv2.flip(picture, 1), np.uint8)
        if (self.brightness, self.contrast, self.saturation) == (1.0, 1.0, 1.0):
            return picture
        scale = self.brightness * self.contrast
        grey = float(np.dot(LUMA, cv2.mean(picture)[:3])) * self.brightness
        matrix = np.zeros((3, 4), np.float32)
        matrix[:, :3] = scale * (1 - self.saturation) * LUMA + scale * self.saturation * np.eye(3, dtype=np.float32)
        matrix[:, 3] = grey * (1 - self.contrast)
        return np.asarray(cv2.transform(picture, matrix), np.uint8)


def draw_augmentation(draw: random.Random, *, flip: bool, colour: bool) -> Augmentation:
    """With `flip`, half of the draws mirror; with `colour`, brightness, contrast and saturation change."""
    mirrored = flip and draw.random() < 0.5
    factors = [draw.uniform(1 - COLOUR_CHANGE, 1 + COLOUR_CHANGE) for _ in range(3)] if colour else []
    return Augmentation(mirrored, *factors)


def to_pixels(picture: Picture, pixels: PixelFormat) -> torch.Tensor:
    """float32 [3, S, S]: normalised, centred in a square that is padded with the mean."""
    square = np.zeros((3, pixels.size, pixels.size), np.uint8)
    box = paste_centred(picture, square)
    return normalised(torch.from_numpy(square)[None, None], torch.tensor([[box]]), pixels)[0, 0]


def paste_centred(picture: Picture, square: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Pastes the picture into the centre of the empty `square` [3, S, S]; returns its top, bottom, left and right."""
    (height, width), size = picture.shape[:2], square.shape[1]
    top, left = (size - height) // 2, (size - width) // 2
    for channel, plane in zip(square, cv2.split(picture), strict=True):
        channel[top : top + height, left : left + width] = plane
    return top, top + height, left, left + width


def normalised(squares: torch.Tensor, boxes: torch.Tensor, pixels: PixelFormat) -> torch.Tensor:
    """float32 [T, F, 3, S, S] from uint8 [T, F, 3, S, S], 0 outside the boxes [T, F, 4] of the pictures.

    The boxes are those of `paste_centred`, on the CPU.
    """
    mean, std = (torch.tensor(values, device=squares.device).view(3, 1, 1) for values in (pixels.mean, pixels.std))
    values = squares.to(torch.float32).mul_(1 / (255 * std)).sub_(mean / std)
    for square, (top, bottom, left, right) in zip(values.flatten(0, 1), boxes.flatten(0, 1).tolist(), strict=True):
        square[:, :top], square[:, bottom:], square[:, :, :left], square[:, :, right:] = 0, 0, 0, 0
    return values
