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

MIME_OF_FORMAT = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
"""What is kept; any other format is `unsupported_format`."""
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
            with Image.open(io.BytesIO(content), formats=list(MIME_OF_FORMAT)) as image:
                mime = MIME_OF_FORMAT[image.format or ""]
                if image.width * image.height > max_pixels:
                    raise NoImageError("too_many_pixels")
                turned = ImageOps.exif_transpose(image)
                return _measured(content, mime, _on_white(turned))
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
        greys = np.asarray(image, dtype=np.float64)
        scale = 255 / 65535 if greys.max(initial=0) > 255 else 1
        image = Image.fromarray(np.clip(greys * scale, 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def perceptual_hash(picture: Image.Image) -> str:
    """16 hex digits: the signs, against their median, of the 64 lowest frequencies of the picture in 32 x 32 greys.

    The usual "pHash" (Zauner, 2010): a DCT, its top left 8 x 8, bits in row order, the first the highest.
    """
    greys = np.asarray(
        picture.convert("L").resize((PHASH_SIDE, PHASH_SIDE), Image.Resampling.LANCZOS), dtype=np.float64
    )
    low = (_DCT @ greys @ _DCT.T)[:PHASH_FREQUENCIES, :PHASH_FREQUENCIES]
    bits = (low > np.median(low)).flatten()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def _dct_matrix(side: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    k, n = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    return np.cos(np.pi * k * (2 * n + 1) / (2 * side))


_DCT = _dct_matrix(PHASH_SIDE)


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
