"""Opening bytes that may be a picture, with a status for those that are not.

Nothing here trusts the bytes: the pixel count is checked before anything is decoded, and whatever Pillow raises on
hostile files becomes a status.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

warnings.filterwarnings("ignore", module=r"PIL\.")  # not catch_warnings: that is not thread-safe

FORMATS = ["JPEG", "PNG", "GIF", "WEBP"]
"""The formats that Pillow tries; any other is `unsupported_format`."""
MIME_OF_FORMAT = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
"""MPO is a JPEG followed by further pictures, as phones and stereo cameras write it."""
WEBP_MAX_PIXELS = 24_000_000
"""390 MiB: Pillow decodes WebP at 17 bytes per pixel (a canvas, the previous one, the frame, the result)."""


class NoImageError(ValueError):
    """No image can be had from some bytes or a URL. The message is the image's status."""


class TakesLongError(NoImageError):
    """A picture of more pixels than the caller has time for; nothing is wrong with it."""


@contextmanager
def opened(content: bytes, *, max_pixels: int, at_once: int | None = None) -> Iterator[Image.Image]:
    """The picture of `content` with its header read, to be decoded inside the context.

    Raises `NoImageError` with the status for whatever goes wrong inside, `TakesLongError` for more than `at_once`
    pixels.
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
            image.decodermaxblock = max(image.decodermaxblock, len(content))  # one block, copied once
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
    """Checked before opening, since Pillow allocates its canvases when it opens the file."""
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[offset : offset + 3], "little") + 1 for offset in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(content[offset : offset + 2], "little") & 0x3FFF for offset in (26, 28))
    if width * height > max_pixels:
        raise NoImageError("too_many_pixels")


def _unidentified(content: bytes) -> str:
    """`not_an_image` for markup and text, `unsupported_format` for pictures of other formats."""
    start = content[:256].lstrip().lower()
    if start.startswith((b"<svg", b"<?xml")) or content[4:12] in (b"ftypavif", b"ftypheic"):
        return "unsupported_format"
    if content.startswith((b"BM", b"II*\x00", b"MM\x00*", b"\x00\x00\x01\x00")):
        return "unsupported_format"
    if content.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8")) or _is_webp(content):
        return "undecodable"
    return "not_an_image"
