"""A picture's pixels as a viewer shows them: its first frame, turned by its EXIF, in L, RGB or RGBA.

Memory is what the decoder needs and little more: JPEGs are decoded small where a small picture is wanted, and whatever
is decoded whole is brought down strip by strip.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

FACTORS = (8, 4, 2, 1)
"""By which sides are brought down; a JPEG's by its DCT, without decoding the whole."""
GLANCE_SIDE = 64
"""Pixels that the shorter side of a glance has at least, if the picture has them."""
STRIP_PIXELS = 2**21
ORIENTATION = 0x0112
"""EXIF's tag."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(image: Image.Image) -> int:
    """1 to 8, by the EXIF data (browsers do not look at XMP's); 1 where there is none or it says something else."""
    if "exif" not in image.info:
        return 1
    found = Image.Exif()
    try:
        found.load(image.info["exif"])
        value = found.get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data says nothing, to browsers too
        return 1
    return value if value in _TURNS else 1


def glance_factor(width: int, height: int) -> int:
    """By which a glance's sides are brought down: the largest factor that leaves the shorter one `GLANCE_SIDE`."""
    return next((factor for factor in FACTORS if min(width, height) // factor >= GLANCE_SIDE), 1)


def shown(image: Image.Image, factor: int, orientation: int) -> Image.Image:
    """Decode; the first frame, its sides divided by `factor` (of `FACTORS`, rounded up), turned by `orientation`.

    A JPEG is scaled by its DCT, all others by means over squares. 16-bit greys keep their shade; CMYK is converted by
    its ICC profile if it has one, Adobe's inverted kind too. Modes: L, RGB; RGBA only where something is transparent.
    """
    rest = factor // _draft(image, factor)
    image.load()
    picture = _brought_down(image, rest)
    if picture.mode == "CMYK":
        picture = _from_cmyk(picture, image.info.get("icc_profile"))
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == 255:
        picture = picture.convert("RGB")
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def on_white(picture: Image.Image) -> Image.Image:
    """A picture of mode L, RGB or RGBA in L or RGB; what is transparent shows white, as on most pages."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture)
    return white


def _draft(image: Image.Image, factor: int) -> int:
    """Tell a JPEG's decoder to bring the sides down; by how much it will."""
    width = image.width
    if factor == 1 or image.format not in ("JPEG", "MPO"):
        return 1
    image.draft(None, (image.width // factor, image.height // factor))
    return next(scale for scale in FACTORS if -(-width // scale) == image.width)


def _brought_down(image: Image.Image, factor: int) -> Image.Image:
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
    """In L, RGB, RGBA or CMYK."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_16_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    greys = np.asarray(image, dtype=np.float32)  # 0 to 65535 in each format that is taken
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
