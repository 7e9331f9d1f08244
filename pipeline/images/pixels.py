"""A picture's pixels as a viewer shows them: its first frame, turned upright by its EXIF data, in L, RGB or RGBA.

Decoding takes little more memory than the decoder needs: JPEGs are decoded small where a small picture is wanted, and
whatever is decoded whole is brought down strip by strip.

Resizing: img2dataset's resizer decodes at full size and takes means over areas (cv2's INTER_AREA), which is slow where
the ratio is not a whole number. Here a picture is first brought to a whole multiple of the wanted size, at least
double, by bilinear interpolation, then down by means over squares: less than half the time, and 48 dB from the
resizer's own pixels (docs/decisions/images.md).
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageCms

FACTORS = (8, 4, 2, 1)
"""Divisors of a picture's sides in decoding; a JPEG is scaled by its DCT, without decoding the whole."""
THUMBNAIL_SIDE = 64
"""Least pixels of the shorter side of a thumbnail, if the picture has as many."""
STRIP_PIXELS = 2**21
ORIENTATION = 0x0112
"""The tag of EXIF."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BILINEAR_RATIO = 1.25
"""Up to this ratio pictures are resized by bilinear interpolation alone; by way of the double they would get softer."""
NEXT_MULTIPLE_FROM = 0.75
"""Fraction from which the next larger multiple is taken; the smaller one costs half as much."""


def orientation_of(image: Image.Image) -> int:
    """1 to 8, by the EXIF data (browsers ignore that of XMP); 1 if there is none or its value is invalid."""
    if "exif" not in image.info:
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info["exif"])
        value = exif.get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data is ignored, as browsers do
        return 1
    return value if value in _TURNS else 1


def thumbnail_factor(width: int, height: int) -> int:
    """The divisor of the sides for the thumbnail: the largest that leaves the shorter one `THUMBNAIL_SIDE`."""
    return next((factor for factor in FACTORS if min(width, height) // factor >= THUMBNAIL_SIDE), 1)


def shown(image: Image.Image, factor: int, orientation: int) -> Image.Image:
    """Decode the first frame, its sides divided by `factor` (of `FACTORS`, rounded up), turned by `orientation`.

    A JPEG is scaled by its DCT, all others by means over squares. 16-bit greys keep their shade; CMYK is converted by
    its ICC profile if it has one, Adobe's inverted kind included. Modes: L, RGB; RGBA only if something is transparent.
    """
    scaled = _draft(image, factor)
    image.load()
    picture = _reduced_in_strips(image, factor // scaled)
    if picture.mode == "CMYK":
        picture = _from_cmyk(picture, image.info.get("icc_profile"))
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == 255:
        picture = picture.convert("RGB")
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def on_white(picture: Image.Image) -> Image.Image:
    """A picture of mode L, RGB or RGBA in L or RGB; transparent pixels become white, as on most pages."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture)
    return white


def _draft(image: Image.Image, factor: int) -> int:
    """Make a JPEG's decoder divide the sides by up to `factor`; returns the divisor that it will use."""
    width = image.width
    if factor == 1 or image.format not in ("JPEG", "MPO"):
        return 1
    image.draft(None, (image.width // factor, image.height // factor))
    return next(scale for scale in FACTORS if -(-width // scale) == image.width)


def _reduced_in_strips(image: Image.Image, factor: int) -> Image.Image:
    width, height = image.size
    rows = max(STRIP_PIXELS // width // factor * factor, factor)
    if factor == 1 or rows >= height:
        return _reduced(_plain(image), factor)
    whole: Image.Image | None = None
    for top in range(0, height, rows):
        strip = _reduced(_plain(image.crop((0, top, width, min(top + rows, height)))), factor)
        if whole is None:
            whole = Image.new(strip.mode, (strip.width, -(-height // factor)))
        whole.paste(strip, (0, top // factor))
    assert whole is not None
    return whole


def _reduced(picture: Image.Image, factor: int) -> Image.Image:
    return picture if factor == 1 else picture.reduce(factor)


def _plain(image: Image.Image) -> Image.Image:
    """`image` in mode L, RGB, RGBA or CMYK."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_16_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    greys = np.asarray(image, dtype=np.float32)  # 0 to 65535 in each supported format
    picture = Image.fromarray(np.clip(np.rint(greys / 257), 0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return picture
    picture.putalpha(Image.fromarray(np.where(greys == clear, 0, 255).astype(np.uint8)))
    return picture.convert("RGBA")


def _from_cmyk(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, inks, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one of another colour space
            return picture.convert("RGB")
        assert converted is not None
        return converted
    return picture.convert("RGB")


def target_size(width: int, height: int, size: str, pixels: int | None) -> tuple[int, int] | None:
    """The size to bring a picture down to, rounded as img2dataset does; None if it keeps its size.

    `size` is the recipe's: keep, longest_side or shortest_side, of `pixels`.
    """
    if pixels is None:
        return None
    side = max(width, height) if size == "longest_side" else min(width, height)
    if side <= pixels:
        return None
    return max(1, round(width * pixels / side)), max(1, round(height * pixels / side))


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture of mode L, RGB or RGBA in `size`; the colours of transparent pixels do not bleed into visible ones."""
    import cv2  # 40 MiB, which a run without resizing does not need

    cv2.setNumThreads(1)  # a part has one core; cv2 would use all of them for each picture
    mode = "RGBa" if picture.mode == "RGBA" else picture.mode
    pixels: NDArray[Any] = _as_array(picture if mode == picture.mode else picture.convert(mode))
    raw_mode = "RGBX" if mode == "RGB" and pixels.shape[2] == 4 else mode
    ratio = min(picture.width / size[0], picture.height / size[1])
    times = 1 if ratio < BILINEAR_RATIO else max(2, math.floor(ratio + 1 - NEXT_MULTIPLE_FROM))
    multiple = size[0] * times, size[1] * times
    if multiple != picture.size:
        pixels = cv2.resize(pixels, multiple, interpolation=cv2.INTER_LINEAR)
    if times > 1:
        pixels = _thirds(pixels) if times == 3 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small = Image.frombytes(mode, size, pixels.tobytes(), "raw", raw_mode)
    return small if mode == picture.mode else small.convert(picture.mode)


def _as_array(picture: Image.Image) -> NDArray[np.uint8]:
    """[rows, columns] or [rows, columns, 4], as Pillow stores them: the fourth byte of RGB has no meaning. Not a copy,
    unless the picture is larger than Pillow's block of 16 MiB; then RGB has 3 bytes."""
    try:
        stored = pa.array(picture)
    except ValueError:
        return np.asarray(picture)
    shape = (picture.height, picture.width) if picture.mode == "L" else (picture.height, picture.width, 4)
    values = stored if picture.mode == "L" else stored.values  # np.asarray of these would import pandas
    return np.frombuffer(values.buffers()[1], np.uint8, count=math.prod(shape), offset=values.offset).reshape(shape)


def _thirds(pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Means over squares of 3 x 3, equal to INTER_AREA's in a third of its time. 4 bytes are viewed as one number of 32
    bits, so that selecting pixels is fast."""
    import cv2

    means = np.asarray(cv2.blur(pixels, (3, 3)))
    whole = means.view(np.uint32) if means.ndim == 3 and means.shape[2] == 4 else means
    return whole[1::3, 1::3]
