"""Metadata is removed from a file; its pixels stay the same, bit for bit."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from m3w.pipeline.images.metadata import MAX_SCANS, StructureError, TooManyScansError, without_metadata

SECRET = b"51.5007 N 0.1246 W"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif() -> Image.Exif:
    found = Image.Exif()
    found[0x010E] = SECRET.decode()
    found.get_ifd(0x8825)[1] = "N"
    return found


def pixels(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGBA").tobytes()


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg_with_everything(photo: Any, encoded: Any) -> bytes:
    plain = encoded(photo(), "JPEG", exif=exif(), icc_profile=PROFILE, comment=SECRET, progressive=True)
    extra = [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET), (0xED, b"Photoshop 3.0\0" + SECRET), (0xE0, b"JFXX\0\x10" + SECRET)]  # fmt: skip
    return plain[:2] + b"".join(segment(*one) for one in extra) + plain[2:] + b"a video " + SECRET


def png_with_everything(photo: Any, encoded: Any) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    plain = encoded(photo(), "PNG", pnginfo=text, exif=exif(), icc_profile=PROFILE)
    return plain[:-12] + chunk(b"tIME", SECRET[:7]) + plain[-12:] + SECRET


def webp_with_everything(photo: Any, encoded: Any) -> bytes:
    return encoded(photo(), "WEBP", exif=exif(), xmp=SECRET, icc_profile=PROFILE) + SECRET


def gif_with_everything(photo: Any, encoded: Any) -> bytes:
    frames = [photo().convert("P"), photo(300, 200).rotate(90).convert("P")]
    plain = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=SECRET, loop=3)
    xmp = b"!\xff\x0bXMP DataXMP" + bytes([len(SECRET)]) + SECRET + b"\0"
    at = plain.index(b"!\xff\x0bNETSCAPE")
    return plain[:at] + xmp + plain[at:] + SECRET


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("JPEG", jpeg_with_everything),
        ("PNG", png_with_everything),
        ("WEBP", webp_with_everything),
        ("GIF", gif_with_everything),
    ],
)
def test_metadata_goes_and_what_is_seen_stays(kind: str, make: Any, photo: Any, encoded: Any) -> None:
    content = make(photo, encoded)
    assert content.count(SECRET) >= 3
    clean = without_metadata(content, kind)
    assert SECRET not in clean
    assert not any(mark in clean for mark in (b"Exif", b"eXIf", b"EXIF", b"adobe", b"xmp"))
    assert pixels(clean) == pixels(content)
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(clean)) as after:
        assert after.info.get("icc_profile") == before.info.get("icc_profile") == (None if kind == "GIF" else PROFILE)
        assert (getattr(after, "n_frames", 1), after.info.get("loop")) == (getattr(before, "n_frames", 1), before.info.get("loop"))  # fmt: skip
    assert without_metadata(clean, kind) is clean, "nothing is left to be cut"


def test_the_adobe_marker_of_the_colour_encoding_is_kept(photo: Any, encoded: Any) -> None:
    content = encoded(photo().convert("CMYK"), "JPEG", exif=exif())
    assert b"Adobe" in content
    assert pixels(without_metadata(content, "JPEG")) == pixels(content)
    assert b"Adobe" in without_metadata(content, "JPEG")


def test_a_thumbnail_in_the_jfif_segment_goes(photo: Any, encoded: Any) -> None:
    content = encoded(photo(), "JPEG")
    head = content[:18] + b"\x01\x01"
    with_thumbnail = head[:4] + b"\0\x13" + head[6:] + b"abc" + content[20:]
    assert without_metadata(with_thumbnail, "JPEG") == content


def test_further_pictures_of_a_jpeg_go(photo: Any, encoded: Any) -> None:
    content = encoded(photo(), "MPO", save_all=True, append_images=[photo()])
    clean = without_metadata(content, "MPO")
    assert clean.count(b"\xff\xd8\xff") == 1
    assert len(clean) < 0.6 * len(content)
    assert pixels(clean) == pixels(content)


def test_an_end_that_is_missing_is_put_there(photo: Any, encoded: Any) -> None:
    for kind, missing in (("JPEG", 2), ("PNG", 12), ("GIF", 1)):
        content = encoded(photo(), kind)
        assert without_metadata(content[:-missing], kind) == content


def test_a_structure_that_cannot_be_parsed_is_an_error(photo: Any, encoded: Any) -> None:
    whole = {kind: encoded(photo(), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP")}
    broken = [
        ("JPEG", whole["JPEG"][:20] + b"junk" + whole["JPEG"][20:]),
        ("JPEG", whole["JPEG"][:100]),
        ("PNG", whole["PNG"][:200]),
        ("GIF", whole["GIF"][:-1] + b"junk"),
        ("GIF", whole["GIF"][:900]),
        ("WEBP", whole["WEBP"][:100]),
    ]
    for kind, content in broken:
        with pytest.raises(StructureError):
            without_metadata(content, kind)


def test_a_jpeg_of_endless_scans_is_refused(photo: Any, encoded: Any) -> None:
    content = encoded(photo(), "JPEG")
    scan = content[content.index(b"\xff\xda") : -2]
    assert without_metadata(content[:-2] + scan * (MAX_SCANS - 1) + b"\xff\xd9", "JPEG")
    with pytest.raises(TooManyScansError):
        without_metadata(content[:-2] + scan * MAX_SCANS + b"\xff\xd9", "JPEG")


def test_removing_metadata_changes_no_pixel_of_real_files(shared_data: Path) -> None:
    compared = 0
    for path in [*(shared_data / "images").rglob("*"), *(shared_data / "web").rglob("*.jpg")]:
        content = path.read_bytes() if path.is_file() else b""
        try:
            with Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "GIF", "WEBP"]) as image:
                before, kind = image.convert("RGBA").tobytes(), str(image.format)
            clean = without_metadata(content, kind)
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
            continue
        assert pixels(clean) == before, path
        compared += 1
    assert compared > 450
