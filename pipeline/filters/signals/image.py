"""What is measured on an image: the numbers that rules on images look at.

All of them are of the picture as it was fetched, whatever is stored of it, so `images.size` does not change which
images are kept. What is measured on pixels is measured on the picture's `glance`, see `m3w.pipeline.images.pixels`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SIGNALS = (
    "shorter_side",
    "longer_side",
    "aspect_ratio",
    "bytes",
    "bytes_per_pixel",
    "colour_range",
    "contrast",
    "commonest_shade",
    "entropy",
)
"""Names of the numbers in the index's `signals`, in their order on disk."""
DIGITS = 4
"""Decimals that are kept, so that the last bits of one machine's arithmetic are not those of the dataset."""


def measure(glance: Image.Image, width: int, height: int, size: int) -> dict[str, float]:
    """The signals of a picture of `width` x `height` pixels, as shown, and `size` bytes.

    * `shorter_side`, `longer_side`: pixels; `aspect_ratio`: longer by shorter (Flamingo, arXiv 2204.14198, appendix
      A.3.1: at least 64 px, ratio at most 3).
    * `bytes`, `bytes_per_pixel`: of the file; under 0.05 bytes a pixel is a JPEG of next to nothing.
    * `colour_range`: 0 to 255, the largest spread of one channel; 0 is the paper's "single colour".
    * `contrast`: 0 to 127.5, the standard deviation of the shades (RMS contrast, Peli 1990, in units of 1/255).
    * `commonest_shade`: 0 to 1, the share of the pixels in the commonest of 256 shades; a blank page has nearly 1.
    * `entropy`: 0 to 8 bits, Shannon's, of the shades' histogram.

    Shades are luma by ITU-R BT.601. `glance` has mode L or RGB.
    """
    shorter, longer = sorted((width, height))
    extrema = glance.getextrema()
    channels = extrema if isinstance(extrema[0], tuple) else (extrema,)
    shades = (glance if glance.mode == "L" else glance.convert("L")).histogram()
    return {
        "shorter_side": float(shorter),
        "longer_side": float(longer),
        "aspect_ratio": longer / shorter,
        "bytes": float(size),
        "bytes_per_pixel": round(size / (width * height), DIGITS),
        "colour_range": float(max(high - low for low, high in channels)),
        **_of_shades(shades),
    }


def _of_shades(histogram: list[int]) -> dict[str, float]:
    shares = np.array(histogram) / sum(histogram)
    mean = shares @ _SHADES
    some = shares[shares > 0]
    return {
        "contrast": round(math.sqrt(max(shares @ _SHADES**2 - mean**2, 0.0)), DIGITS),
        "commonest_shade": round(float(shares.max()), DIGITS),
        "entropy": round(abs(float(some @ np.log2(some))), DIGITS),
    }


_SHADES = np.arange(256.0)
