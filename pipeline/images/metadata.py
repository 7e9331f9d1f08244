"""Removing metadata from image files without decoding them: EXIF with its GPS position, XMP, IPTC, comments,
thumbnails.

Whatever affects how the picture looks is kept: pixels, palettes, transparency, colour profiles, gamma, Adobe's marker,
the frames and times of animations. All else is removed, by lists of what is kept, and so is whatever follows the
picture (further pictures of an MPO, videos of "motion photos"). A file without metadata is returned unchanged. The EXIF
orientation is removed, too: a picture that is turned by it has to be encoded again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

MAX_SCANS = 100
"""Of a JPEG; progressive ones have about 10. A scan costs a pass over the picture and takes as little as 10 bytes."""


class StructureError(ValueError):
    """The file's structure cannot be parsed, though a decoder may still decode it."""


class TooManyScansError(StructureError):
    """A progressive JPEG made to keep a decoder busy."""


def without_metadata(content: bytes, form: str) -> bytes:
    """`content` of the format `form` (as Pillow names it) without metadata. Raises `StructureError`."""
    try:
        kept = b"".join(_PIECES[form](content))
    except (IndexError, ValueError) as error:
        raise error if isinstance(error, StructureError) else StructureError(str(error)) from error
    return content if kept == content else kept


# JPEG (ITU-T T.81): segments FF marker length payload; after a start of scan, entropy-coded data up to a marker

START_OF_SCAN = b"\xff\xda"
"""Occurs in a JPEG at least once per scan."""
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_SEQUENTIAL_FRAMES = (0xC0, 0xC1)
_STANDALONE = (0x01, *range(0xD0, 0xD8))
_APPS = range(0xE0, 0xF0)
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JFIF_BYTES = 18
"""Of the APP0 segment with its marker; a thumbnail may follow."""


def has_one_scan(content: bytes) -> bool:
    """Whether the first scan of a JPEG has all of the picture, so that decoders read no other."""
    offset, channels = 2, 0
    try:
        while True:
            offset, marker = _next_marker(content, offset)
            if marker in _STANDALONE:
                continue
            if marker == _SOS:
                return content[offset + 2] == channels
            if marker in _SEQUENTIAL_FRAMES:
                channels = content[offset + 7]
            offset += _length(content, offset)
    except (IndexError, StructureError):
        return False


def _jpeg(content: bytes) -> Iterator[bytes]:
    yield content[:2]
    offset, scans = 2, 0
    while True:
        offset, marker = _next_marker(content, offset)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            yield content[offset - 2 : offset]
            continue
        end = offset + _length(content, offset)
        yield _kept_segment(marker, content[offset - 2 : end])
        offset = end
        if marker == _SOS:
            if (scans := scans + 1) > MAX_SCANS:
                raise TooManyScansError(f"more than {MAX_SCANS} scans")
            marker_after = _SCAN_END.search(content, offset)
            end = marker_after.start() if marker_after else len(content)
            yield content[offset:end]
            offset = end
            if not marker_after:
                break  # the end marker may be missing; the decoder tells whether the pixels are complete
    yield b"\xff\xd9"


def _next_marker(content: bytes, offset: int) -> tuple[int, int]:
    """The offset after the next marker, and its second byte, which any number of FF may precede."""
    if content[offset] != 0xFF:
        raise StructureError(f"no marker at {offset}")
    while content[offset] == 0xFF:
        offset += 1
    if content[offset] == 0:
        raise StructureError(f"no marker at {offset}")  # decoders search on from here, wherever a length would lead
    return offset + 1, content[offset]


def _length(content: bytes, offset: int) -> int:
    length = int.from_bytes(content[offset : offset + 2], "big")
    if length < 2 or offset + length > len(content):
        raise StructureError(f"a segment at {offset} of {length} bytes")
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
    offset, kind = 8, b""
    while kind != b"IEND" and offset < len(content):
        kind = content[offset + 4 : offset + 8]
        end = offset + 12 + int.from_bytes(content[offset : offset + 4], "big")
        if kind in _PNG_KEPT:
            if end > len(content):
                raise StructureError(f"a chunk at {offset} ends after the file")
            yield content[offset:end]
        offset = end
    if kind != b"IEND":
        yield b"\0\0\0\0IEND\xaeB`\x82"  # the pixels may be complete without it; the decoder tells


# WebP (RFC 9649): a RIFF file, whose chunks are padded to even lengths

_WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP")
_EXIF_AND_XMP = 0x08 | 0x04
"""Flags in the first byte of VP8X."""


def _webp(content: bytes) -> Iterator[bytes]:
    body = b"".join(_webp_chunks(content, min(len(content), 8 + int.from_bytes(content[4:8], "little"))))
    yield b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def _webp_chunks(content: bytes, size: int) -> Iterator[bytes]:
    offset = 12
    while offset + 8 <= size:
        kind, length = content[offset : offset + 4], int.from_bytes(content[offset + 4 : offset + 8], "little")
        end = offset + 8 + length
        if end > len(content):
            raise StructureError(f"a chunk at {offset} ends after the file")
        if kind == b"VP8X":
            flags = content[offset + 8] & ~_EXIF_AND_XMP
            yield content[offset : offset + 8] + bytes([flags]) + content[offset + 9 : end]
        elif kind in _WEBP_KEPT:
            yield content[offset:end]
        if kind in _WEBP_KEPT and length % 2:
            yield b"\0"
        offset = end + length % 2


# GIF (GIF89a): a screen, then blocks; extensions and pixels are chains of sub-blocks of up to 255 bytes

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_GIF_APPLICATIONS = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
"""Loops, loops, a colour profile."""


def _gif(content: bytes) -> Iterator[bytes]:
    offset = 13 + _palette_bytes(content[10])
    yield content[:offset]
    while offset < len(content) and content[offset] != _TRAILER:
        if content[offset] == _IMAGE:
            end = _after_sub_blocks(content, offset + 11 + _palette_bytes(content[offset + 9]))
        elif content[offset] == _EXTENSION:
            end = _after_sub_blocks(content, offset + 2)
        else:
            raise StructureError(f"no block at {offset}")
        if content[offset] == _IMAGE or _is_kept_extension(content, offset):
            yield content[offset:end]
        offset = end
    yield bytes([_TRAILER])


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(content: bytes, offset: int) -> int:
    while size := content[offset]:
        offset += 1 + size
    return offset + 1


def _is_kept_extension(content: bytes, offset: int) -> bool:
    label = content[offset + 1]
    return label == _CONTROL or (label == _APPLICATION and content[offset + 3 : offset + 14] in _GIF_APPLICATIONS)


_PIECES: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "GIF": _gif,
}
