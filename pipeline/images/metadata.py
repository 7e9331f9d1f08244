"""Metadata cut out of image files without decoding them: EXIF with its GPS position, XMP, IPTC, comments, thumbnails.

What changes the picture that is seen stays: pixels, palettes, transparency, colour profiles, gamma, Adobe's marker,
the frames and times of animations. All else goes, by lists of what stays, and so does whatever is appended behind
the picture (further pictures of an MPO, videos of "motion photos"). A file in which nothing is to be cut is
returned as it is. The EXIF orientation goes too: a picture that is turned by it has to be encoded again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

MAX_SCANS = 100
"""Of a JPEG; progressive ones have about 10. Each costs a pass over the picture and as little as 10 bytes."""


class StructureError(ValueError):
    """The file's structure cannot be followed, though a decoder may make a picture of it."""


class TooManyScansError(StructureError):
    """A progressive JPEG made to keep a decoder busy."""


def without_metadata(content: bytes, form: str) -> bytes:
    """`content` of the format `form` (as Pillow names it) without metadata. Raises `StructureError`."""
    try:
        kept = b"".join(_PIECES[form](content))
    except (IndexError, ValueError) as error:
        raise error if isinstance(error, StructureError) else StructureError(str(error)) from error
    return content if kept == content else kept


# JPEG (ITU-T T.81): segments FF marker length payload; behind a start of scan, entropy-coded data up to a marker

START_OF_SCAN = b"\xff\xda"
"""In a JPEG at least as often as it has scans."""
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_SEQUENTIAL_FRAMES = (0xC0, 0xC1)
_STANDALONE = (0x01, *range(0xD0, 0xD8))
_APPS = range(0xE0, 0xF0)
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JFIF_BYTES = 18
"""Of the APP0 segment with its marker; a thumbnail may follow."""


def has_one_scan(content: bytes) -> bool:
    """Whether the first scan of a JPEG gives all of the picture, so that no decoder looks at another."""
    at, channels = 2, 0
    try:
        while True:
            at, marker = _next_marker(content, at)
            if marker in _STANDALONE:
                continue
            if marker == _SOS:
                return content[at + 2] == channels
            if marker in _SEQUENTIAL_FRAMES:
                channels = content[at + 7]
            at += _length(content, at)
    except (IndexError, StructureError):
        return False


def _jpeg(content: bytes) -> Iterator[bytes]:
    yield content[:2]
    at, scans = 2, 0
    while True:
        at, marker = _next_marker(content, at)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            yield content[at - 2 : at]
            continue
        end = at + _length(content, at)
        yield _kept_segment(marker, content[at - 2 : end])
        at = end
        if marker == _SOS:
            if (scans := scans + 1) > MAX_SCANS:
                raise TooManyScansError(f"more than {MAX_SCANS} scans")
            found = _SCAN_END.search(content, at)
            end = found.start() if found else len(content)
            yield content[at:end]
            at = end
            if not found:
                break  # whether the pixels are complete, the decoder says; the end's marker may be missing
    yield b"\xff\xd9"


def _next_marker(content: bytes, at: int) -> tuple[int, int]:
    """The position behind the next marker, and its second byte; any number of FF may stand before that."""
    if content[at] != 0xFF:
        raise StructureError(f"no marker at {at}")
    while content[at] == 0xFF:
        at += 1
    if content[at] == 0:
        raise StructureError(f"no marker at {at}")  # decoders look on from here, wherever a length would lead
    return at + 1, content[at]


def _length(content: bytes, at: int) -> int:
    length = int.from_bytes(content[at : at + 2], "big")
    if length < 2 or at + length > len(content):
        raise StructureError(f"a segment at {at} of {length} bytes")
    return length


def _kept_segment(marker: int, segment: bytes) -> bytes:
    """`segment` with its marker; empty if it is metadata."""
    name = segment[4:]
    if marker == 0xE0 and name.startswith(b"JFIF\0"):
        whole = len(segment) == _JFIF_BYTES
        return segment if whole else b"\xff\xe0\x00\x10" + segment[4:16] + b"\0\0"
    if marker == 0xE2 and name.startswith(b"ICC_PROFILE\0"):
        return segment
    if marker == 0xEE and name.startswith(b"Adobe"):
        return segment
    return b"" if marker in _APPS or marker == _COM else segment


# PNG (third edition): a signature, then chunks of length, type, data, CRC

_PNG_KEPT = frozenset(b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI pHYs acTL fcTL fdAT".split())


def _png(content: bytes) -> Iterator[bytes]:
    yield content[:8]
    at, kind = 8, b""
    while kind != b"IEND" and at < len(content):
        kind = content[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if kind in _PNG_KEPT:
            if end > len(content):
                raise StructureError(f"a chunk at {at} ends behind the file")
            yield content[at:end]
        at = end
    if kind != b"IEND":
        yield b"\0\0\0\0IEND\xaeB`\x82"  # the pixels may be complete without it: the decoder says


# WebP (RFC 9649): a RIFF file, whose chunks are padded to even lengths

_WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP")
_EXIF_AND_XMP = 0x08 | 0x04
"""Flags in the first byte of VP8X."""


def _webp(content: bytes) -> Iterator[bytes]:
    body = b"".join(_webp_chunks(content, min(len(content), 8 + int.from_bytes(content[4:8], "little"))))
    yield b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def _webp_chunks(content: bytes, size: int) -> Iterator[bytes]:
    at = 12
    while at + 8 <= size:
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + length
        if end > len(content):
            raise StructureError(f"a chunk at {at} ends behind the file")
        if kind == b"VP8X":
            yield content[at : at + 8] + bytes([content[at + 8] & ~_EXIF_AND_XMP]) + content[at + 9 : end]
        elif kind in _WEBP_KEPT:
            yield content[at:end]
        if kind in _WEBP_KEPT and length % 2:
            yield b"\0"
        at = end + length % 2


# GIF (GIF89a): a screen, then blocks; extensions and pixels are chains of sub-blocks of up to 255 bytes

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_GIF_APPLICATIONS = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
"""Loops, loops, a colour profile."""


def _gif(content: bytes) -> Iterator[bytes]:
    at = 13 + _palette_bytes(content[10])
    yield content[:at]
    while at < len(content) and content[at] != _TRAILER:
        if content[at] == _IMAGE:
            end = _behind_sub_blocks(content, at + 11 + _palette_bytes(content[at + 9]))
        elif content[at] == _EXTENSION:
            end = _behind_sub_blocks(content, at + 2)
        else:
            raise StructureError(f"no block at {at}")
        if content[at] == _IMAGE or _is_kept_extension(content, at):
            yield content[at:end]
        at = end
    yield bytes([_TRAILER])


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_sub_blocks(content: bytes, at: int) -> int:
    while size := content[at]:
        at += 1 + size
    return at + 1


def _is_kept_extension(content: bytes, at: int) -> bool:
    label = content[at + 1]
    return label == _CONTROL or (label == _APPLICATION and content[at + 3 : at + 14] in _GIF_APPLICATIONS)


_PIECES: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "GIF": _gif,
}
