"""Bytes to a picture and what is measured on it; bytes that are no picture give the reason.

Nothing here trusts the bytes: the pixel count is checked before anything is decoded, and everything that Pillow raises
on hostile files is one reason among the others.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ["JPEG", "PNG", "GIF", "WEBP"]
"""What Pillow tries; any other format is `unsupported_format`."""
MIME_OF_FORMAT = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
"""MPO is a JPEG with further pictures behind the first, as phones and stereo cameras write it."""
PHASH_SIDE, PHASH_FREQUENCIES = 32, 8


class NoImageError(ValueError):
    """Bytes that give no picture; the message is the image's status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What an image's bytes turned out to be."""

    sha256: str
    mime: str
    width: int
    """Pixels, as a viewer shows the picture: turned by its EXIF orientation."""
    height: int
    phash: str
    colour_range: int
    """The largest spread of one channel over the picture, 0 to 255; 0 is a single colour. Transparent is white."""

    def signals(self, size: int) -> dict[str, float]:
        """The numbers that `rules.image` can look at; `size` is that of the bytes."""
        short, long = sorted((self.width, self.height))
        return {
            "shorter_side": float(short),
            "longer_side": float(long),
            "aspect_ratio": long / short,
            "colour_range": float(self.colour_range),
            "bytes": float(size),
        }


def look_at(content: bytes, *, max_pixels: int) -> Picture:
    """Decode `content` and measure it. Raises `NoImageError` with the status."""
    if not content:
        raise NoImageError("empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                mime = MIME_OF_FORMAT[image.format or ""]
                if image.width * image.height > max_pixels:
                    raise NoImageError("too_many_pixels")
                ImageOps.exif_transpose(image, in_place=True)
                return _measured(content, mime, _on_white(image))
    except NoImageError:
        raise
    except Image.DecompressionBombError as error:
        raise NoImageError("too_many_pixels") from error
    except UnidentifiedImageError as error:
        raise NoImageError(_unidentified(content)) from error
    except Exception as error:  # Pillow raises OSError, ValueError, TypeError, SyntaxError, struct.error, ... on damage
        raise NoImageError("undecodable") from error


def _measured(content: bytes, mime: str, picture: Image.Image) -> Picture:
    extrema = picture.getextrema()
    return Picture(
        sha256=hashlib.sha256(content).hexdigest(),
        mime=mime,
        width=picture.width,
        height=picture.height,
        phash=perceptual_hash(picture),
        colour_range=max(int(high) - int(low) for low, high in extrema),  # type: ignore[misc]
    )


def _on_white(image: Image.Image) -> Image.Image:
    """The picture (its first frame) in RGB, what is transparent in white. 16-bit greys keep their shade."""
    if image.mode.startswith("I") or image.mode == "F":
        greys = np.asarray(image, dtype=np.float32)  # 0 to 65535 in each format that is taken
        image = Image.fromarray(np.clip(greys / 257, 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image.convert("RGB")


def perceptual_hash(picture: Image.Image) -> str:
    """16 hex digits: the signs, against their median, of the 64 lowest frequencies of the picture in 32 x 32 greys.

    The usual "pHash" (Zauner, 2010): a DCT, its top left 8 x 8, bits in row order, the first the highest. In integers,
    so that a frequency that a picture does not have is 0 on every machine, not a rounding error of either sign.
    """
    small = picture.convert("L").resize((PHASH_SIDE, PHASH_SIDE), Image.Resampling.LANCZOS)
    low = _DCT @ np.asarray(small, dtype=np.int64) @ _DCT.T
    bits = (low > np.median(low)).flatten()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def _lowest_frequencies() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The first rows of the DCT's matrix in units of 2^-14; two products with 32 x 32 greys stay below 2^47."""
    k, n = np.meshgrid(np.arange(PHASH_FREQUENCIES), np.arange(PHASH_SIDE), indexing="ij")
    waves = np.cos(np.pi * k * (2 * n + 1) / (2 * PHASH_SIDE))
    return np.asarray(np.rint(2**14 * waves), dtype=np.int64)


_DCT = _lowest_frequencies()


def _unidentified(content: bytes) -> str:
    """`not_an_image` for markup and text, `unsupported_format` for the pictures that this project does not take."""
    start = content[:256].lstrip().lower()
    if start.startswith((b"<svg", b"<?xml")) or content[4:12] in (b"ftypavif", b"ftypheic"):
        return "unsupported_format"
    if content.startswith((b"BM", b"II*\x00", b"MM\x00*", b"\x00\x00\x01\x00")):
        return "unsupported_format"
    if content.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF")):
        return "undecodable"
    return "not_an_image"
