"""Signals of a fetched image.

All are about the picture as fetched, whatever size is stored, so `images.size` does not change which images are kept.
Pixels are those of the picture's thumbnail, see `m3w.pipeline.images.pixels`; shades are luma by ITU-R BT.601.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3w.pipeline.filters.signals.registry import IMAGE, OWN, Signal, image_signal, image_signals

if TYPE_CHECKING:
    from PIL import Image

FLAMINGO = "Flamingo (2204.14198), A.3.1"
DIGITS = 4
"""Decimals that are kept, so that rounding differences between machines do not reach the dataset."""
_SHADES = np.arange(256.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPicture:
    """A picture to be measured."""

    thumbnail: Image.Image
    """Mode L or RGB."""
    width: int
    """Pixels of the picture, as shown."""
    height: int
    size: int
    """Bytes of the file."""


def measure(thumbnail: Image.Image, width: int, height: int, size: int) -> dict[str, float]:
    """The signals of a picture of `width` x `height` pixels and `size` bytes. `thumbnail` has mode L or RGB."""
    return IMAGE.measure(FetchedPicture(thumbnail=thumbnail, width=width, height=height, size=size))


@image_signals(
    Signal("shorter_side", "the shorter side, as shown", "pixels", FLAMINGO),
    Signal("longer_side", "the longer side, as shown", "pixels", OWN),
    Signal("aspect_ratio", "longer by shorter side", "ratio", FLAMINGO),
)
def sides(picture: FetchedPicture) -> dict[str, float]:
    shorter, longer = sorted((picture.width, picture.height))
    return {"shorter_side": float(shorter), "longer_side": float(longer), "aspect_ratio": longer / shorter}


@image_signal("bytes", formula="size of the file as fetched", unit="bytes", source=OWN)
def file_bytes(picture: FetchedPicture) -> float:
    return float(picture.size)


@image_signal("bytes_per_pixel", formula="bytes by pixels; a JPEG under 0.05 shows next to nothing", unit="bytes",
              source=OWN)  # fmt: skip
def bytes_per_pixel(picture: FetchedPicture) -> float:
    return round(picture.size / (picture.width * picture.height), DIGITS)


@image_signal("colour_range", formula="largest spread of one channel, 0 to 255; 0 is a single colour", unit="shades",
              source=FLAMINGO)  # fmt: skip
def colour_range(picture: FetchedPicture) -> float:
    extrema = picture.thumbnail.getextrema()
    channels = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return float(max(high - low for low, high in channels))


@image_signals(
    Signal("contrast", "standard deviation of the shades (RMS contrast), 0 to 127.5", "shades", "Peli (1990)"),
    Signal("commonest_shade", "pixels in the commonest of 256 shades, by all; near 1 for a blank page", "share", OWN),
    Signal("entropy", "Shannon's, of the histogram of shades, 0 to 8", "bits", OWN),
)
def shades(picture: FetchedPicture) -> dict[str, float]:
    thumbnail = picture.thumbnail
    histogram = (thumbnail if thumbnail.mode == "L" else thumbnail.convert("L")).histogram()
    shares = np.array(histogram) / sum(histogram)
    mean = shares @ _SHADES
    occurring = shares[shares > 0]
    return {
        "contrast": round(math.sqrt(max(shares @ _SHADES**2 - mean**2, 0.0)), DIGITS),
        "commonest_shade": round(float(shares.max()), DIGITS),
        "entropy": round(abs(float(occurring @ np.log2(occurring))), DIGITS),
    }
