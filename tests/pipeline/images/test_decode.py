"""Bytes to a picture or to the reason why there is none; nothing else, whatever the bytes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.section import Images

MEGAPIXELS = 64_000_000


def look(content: bytes, max_pixels: int = MEGAPIXELS) -> StoredImage:
    return prepare(content, Images(), max_pixels=max_pixels)


def colour_range(content: bytes) -> float:
    return look(content).signals["colour_range"]


def encoded(image: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def ramp(width: int = 96, height: int = 64) -> Image.Image:
    """Greys from 0 to 255, left to right."""
    return Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1)))


def distance(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


@pytest.mark.parametrize(
    ("kind", "mime"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")]
)
def test_a_prepared_image_has_its_type_size_and_name(kind: str, mime: str) -> None:
    content = encoded(ramp(96, 64), kind)
    found = look(content)
    assert (found.mime, found.width, found.height) == (mime, 96, 64)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert len(found.phash) == 16
    assert found.signals["colour_range"] > 240


# Colours


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "CMYK"])
@pytest.mark.parametrize("colour", ["white", "black"])
def test_one_colour_has_no_range_in_any_mode(mode: str, colour: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert colour_range(encoded(Image.new("RGB", (64, 64), colour).convert(mode), kind)) == 0


def test_a_single_pixel_of_another_colour_is_a_range() -> None:
    image = Image.new("RGB", (64, 64), (10, 10, 10))
    image.putpixel((3, 3), (10, 60, 10))
    assert colour_range(encoded(image)) == 50


def test_sixteen_bit_greys_keep_their_shade() -> None:
    def deep(low: int, high: int) -> float:
        greys = np.linspace(low, high, 64 * 64).reshape(64, 64).astype(np.uint16)
        return colour_range(encoded(Image.fromarray(greys)))

    assert deep(0, 65535) == 255
    assert deep(32768, 32768) == 0
    assert deep(30000, 34000) in (15, 16)
    assert deep(0, 200) <= 1, "near black, not a ramp of 8 bits"
    flat = encoded(Image.fromarray(np.full((64, 64), 40000, np.uint16)))
    assert colour_range(flat) == 0


def test_what_is_transparent_is_white() -> None:
    hidden = ramp().convert("RGBA")
    hidden.putalpha(0)
    assert colour_range(encoded(hidden)) == 0
    half = Image.new("RGBA", (64, 64), (255, 255, 255, 255))
    half.paste((0, 0, 0, 128), (0, 0, 32, 64))
    assert colour_range(encoded(half)) in (127, 128, 129)
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([0, 0, 0, 255, 255, 255])
    assert colour_range(encoded(palette, transparency=0)) == 0


def test_the_first_frame_of_an_animation_is_what_counts() -> None:
    frames = [Image.new("RGB", (64, 64), "red"), ramp(64).convert("RGB")]
    for kind in ("GIF", "WEBP", "PNG"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert colour_range(content) <= 8, kind


def test_a_jpeg_with_further_pictures_behind_the_first_is_a_jpeg() -> None:
    content = encoded(ramp(), "MPO", save_all=True, append_images=[ramp()])
    assert Image.open(io.BytesIO(content)).format == "MPO"
    assert (look(content).mime, look(content).width) == ("image/jpeg", 96)


# Orientation


def test_a_turned_picture_has_the_size_that_a_viewer_shows(shared_data: Path) -> None:
    pictures = [
        look((shared_data / f"images/exif-orientation/Landscape_{n}.jpg").read_bytes()) for n in range(9)
    ]  # fmt: skip
    assert {(picture.width, picture.height) for picture in pictures} == {(pictures[1].width, pictures[1].height)}
    assert pictures[1].width > pictures[1].height
    assert all(distance(picture.phash, pictures[1].phash) <= 6 for picture in pictures), "they show the same"


# Hostile bytes


def png_that_says_its_size_is(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(2**20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8001, 13_000, 30_000, 2**31 - 1])
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    content = png_that_says_its_size_is(side, side)
    tracemalloc.start()
    with pytest.raises(NoImageError, match="too_many_pixels"):
        look(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20


def test_the_bound_on_pixels_is_inclusive() -> None:
    content = encoded(ramp(96, 64))
    assert look(content, max_pixels=96 * 64).width == 96
    with pytest.raises(NoImageError, match="too_many_pixels"):
        look(content, max_pixels=96 * 64 - 1)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", "empty"),
        (b"<!doctype html><p>404", "not_an_image"),
        (b"\x00" * 100, "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\n<?xml version='1.0'?><svg/>", "unsupported_format"),
        (b"\x00\x00\x00\x20ftypavif" + b"\x00" * 50, "unsupported_format"),
        (encoded(ramp(), "BMP"), "unsupported_format"),
        (encoded(ramp(), "TIFF"), "unsupported_format"),
        (encoded(ramp(), "ICO"), "unsupported_format"),
        (encoded(ramp(), "PNG")[:80], "undecodable"),
        (encoded(ramp(), "JPEG")[:300], "undecodable"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "undecodable"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "undecodable"),
        (b"RIFF\xff\xff\xff\x00AVI LIST" + b"\xff" * 50, "not_an_image"),
        (b"GIF89a\x00\x00\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00;", "undecodable"),
        (encoded(ramp(), "EPS"), "not_an_image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bytes_that_give_no_picture_give_the_reason(content: bytes, status: str) -> None:
    with pytest.raises(NoImageError, match=f"^{status}$"):
        look(content)


@pytest.mark.parametrize("settings", [Images(), Images(size="longest_side", pixels=96)], ids=["kept", "resized"])
def test_every_file_of_the_real_world_gives_a_picture_or_a_reason(shared_data: Path, settings: Images) -> None:
    pictures, statuses = 0, set()
    for path in (path for path in (shared_data / "images").rglob("*") if path.is_file()):
        try:
            found = prepare(path.read_bytes(), settings, max_pixels=MEGAPIXELS)
        except NoImageError as error:
            statuses.add(str(error))
            continue
        pictures += 1
        with Image.open(io.BytesIO(found.content)) as image:
            assert (found.width, found.height) == image.size, path
            assert not image.getexif(), path
            assert settings.pixels is None or max(image.size) <= settings.pixels, path
        assert 0 <= found.signals["colour_range"] <= 255
    assert pictures > 280
    assert statuses == {"unsupported_format", "not_an_image", "undecodable"}


def test_no_damage_to_a_picture_escapes_as_anything_but_a_reason() -> None:
    rng = random.Random(3)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    for content in (encoded(noise, kind) for kind in ("PNG", "JPEG", "GIF", "WEBP")):
        for _ in range(150):
            broken = bytearray(content)
            for _ in range(rng.randint(1, 8)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            with contextlib.suppress(NoImageError):
                look(bytes(broken[: rng.randint(10, len(broken))]))


# The perceptual hash


def photographs(folder: Path) -> dict[str, Image.Image]:
    names = (
        "astronaut.png",
        "coffee.png",
        "chelsea.png",
        "camera.png",
        "rocket.jpg",
        "coins.png",
        "moon.png",
        "page.png",
    )
    data = folder / "images/scikit-image/src/_skimage2/data"
    return {name: Image.open(data / name).convert("RGB") for name in names if (data / name).exists()}


def test_the_hash_is_stable_under_resizing_and_compression_and_differs_between_photographs(shared_data: Path) -> None:
    found = photographs(shared_data)
    assert len(found) >= 5
    hashes = {name: look(encoded(image)).phash for name, image in found.items()}
    for name, image in found.items():
        smaller = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
        assert distance(look(encoded(smaller)).phash, hashes[name]) <= 4, name
        assert distance(look(encoded(image, "JPEG", quality=40)).phash, hashes[name]) <= 6, name
    for first in hashes:
        for second in hashes:
            assert first == second or distance(hashes[first], hashes[second]) > 12, (first, second)


def test_the_hash_of_a_known_picture_is_what_it_was() -> None:
    """Fixed: datasets on disk hold it."""
    assert look(encoded(ramp())).phash == "a000000000000000", "a ramp has frequencies in one direction alone"
    drawn = Image.new("RGB", (200, 150), "white")
    ImageDraw.Draw(drawn).ellipse((20, 30, 110, 140), fill=(200, 40, 90))
    assert look(encoded(drawn)).phash == "bbc4c027c73b4738"
