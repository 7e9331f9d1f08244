"""Opening bytes that may be a picture; bytes that are none give the reason.

Nothing here trusts the bytes: the pixel count is checked before anything is decoded, and everything that Pillow raises
on hostile files is one reason among the others.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

warnings.filterwarnings("ignore", module=r"PIL\.")  # for good: a filter for a while is not for one thread alone

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
WEBP_MAX_PIXELS = 24_000_000
"""Pillow decodes WebP at 17 bytes a pixel (a canvas, the one before it, the frame, the result), so this is 390 MiB."""


class NoImageError(ValueError):
    """Bytes that give no picture; the message is the image's status."""


class TakesLongError(NoImageError):
    """A picture of more pixels than who asks has the time for; nothing is wrong with it."""


@contextmanager
def opened(content: bytes, *, max_pixels: int, at_once: int | None = None) -> Iterator[Image.Image]:
    """The picture of `content`, its header read, to be decoded inside the context.

    Raises `NoImageError` with the status, whatever goes wrong inside; `TakesLongError` for more than `at_once` pixels.
    """
    if not content:
        raise NoImageError("empty")
    if _is_webp(content):
        _check_webp_size(content, min(max_pixels, WEBP_MAX_PIXELS))
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise NoImageError("too_many_pixels")
            if at_once is not None and image.width * image.height > at_once:
                raise TakesLongError("takes_long")
            image.decodermaxblock = max(image.decodermaxblock, len(content))  # one piece, copied once
            yield image
    except NoImageError:
        raise
    except Image.DecompressionBombError as error:
        raise NoImageError("too_many_pixels") from error
    except UnidentifiedImageError as error:
        raise NoImageError(_unidentified(content)) from error
    except Exception as error:  # Pillow raises OSError, ValueError, TypeError, SyntaxError, struct.error, ... on damage
        raise NoImageError("undecodable") from error


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _check_webp_size(content: bytes, max_pixels: int) -> None:
    """Here, since Pillow sets up its canvases when it opens the file."""
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    if width * height > max_pixels:
        raise NoImageError("too_many_pixels")


def _unidentified(content: bytes) -> str:
    """`not_an_image` for markup and text, `unsupported_format` for the pictures that this project does not take."""
    start = content[:256].lstrip().lower()
    if start.startswith((b"<svg", b"<?xml")) or content[4:12] in (b"ftypavif", b"ftypheic"):
        return "unsupported_format"
    if content.startswith((b"BM", b"II*\x00", b"MM\x00*", b"\x00\x00\x01\x00")):
        return "unsupported_format"
    if content.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8")) or _is_webp(content):
        return "undecodable"
    return "not_an_image"
