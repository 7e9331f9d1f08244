"""Fetched bytes to stored bytes: sizes, turns, what is encoded again and what is not."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from benchmarks.img2dataset_peer import resizer
from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.hashes import distance
from m3w.pipeline.images.pixels import resized
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.section import Images

MAX_PIXELS = 64_000_000


def stored(content: bytes, size: str = "keep", pixels: int | None = None, **settings: Any) -> StoredImage:
    return prepare(content, Images(size=size, pixels=pixels, **settings), max_pixels=MAX_PIXELS)  # type: ignore[arg-type]


def opened(image: StoredImage) -> Image.Image:
    return Image.open(io.BytesIO(image.content))


def decibels(first: Image.Image, second: Image.Image) -> float:
    """Peak signal to noise; 40 and more cannot be told apart by eye."""
    error = np.mean((np.asarray(first, dtype=float) - np.asarray(second, dtype=float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


# What is kept


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_bytes_without_metadata_are_stored_as_they_came(kind: str, photo: Any, encoded: Any) -> None:
    content = encoded(photo(), kind)
    image = stored(content)
    assert image.content is content
    assert image.sha256 == image.fetched_sha256 == hashlib.sha256(content).hexdigest()
    assert image.fetched_bytes == len(content)
    assert tuple(image.signals) == IMAGE_SIGNALS


def test_metadata_is_cut_out_without_encoding_again(photo: Any, encoded: Any) -> None:
    plain = encoded(photo(), "JPEG")
    content = encoded(photo(), "JPEG", comment=b"a secret place")
    image = stored(content)
    assert image.content == plain
    assert image.sha256 == hashlib.sha256(plain).hexdigest()
    assert image.fetched_sha256 == hashlib.sha256(content).hexdigest()
    assert image.fetched_bytes == len(content)


def test_a_jpeg_whose_segments_cannot_be_followed_is_encoded_again(photo: Any, encoded: Any) -> None:
    content = encoded(photo(), "JPEG", comment=b"a secret place")
    comment = content.index(b"\xff\xfe")
    hidden = b"\xff\x00" + (2 + 4 + len(b"a secret place")).to_bytes(2, "big")
    for image in (
        stored(content[:20] + b"junk" + content[20:]),
        stored(content[:comment] + hidden + content[comment:]),
    ):
        assert b"secret" not in image.content
        assert (image.mime, image.width, image.height) == ("image/jpeg", 300, 200)


# Sizes


@pytest.mark.parametrize(
    ("size", "pixels", "expected"),
    [
        ("longest_side", 150, (150, 100)),
        ("shortest_side", 150, (225, 150)),
        ("longest_side", 300, (300, 200)),
        ("shortest_side", 200, (300, 200)),
        ("longest_side", 1000, (300, 200)),
        ("shortest_side", 250, (300, 200)),
        ("longest_side", 16, (16, 11)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_side_is_brought_down_and_never_up(
    size: str, pixels: int, expected: tuple[int, int], kind: str, photo: Any, encoded: Any
) -> None:
    content = encoded(photo(), kind)
    image = stored(content, size, pixels)
    assert (image.width, image.height) == opened(image).size == expected
    assert (image.content is content) == (expected == (300, 200))
    assert image.mime == ("image/jpeg" if expected != (300, 200) else f"image/{kind.lower()}")


def test_signals_are_those_of_the_picture_as_fetched(photo: Any, encoded: Any) -> None:
    content = encoded(photo(900, 600), "JPEG")
    kept, small = stored(content), stored(content, "longest_side", 64)
    for name in ("shorter_side", "longer_side", "aspect_ratio", "bytes", "bytes_per_pixel"):
        assert kept.signals[name] == small.signals[name], name
    for name in ("colour_range", "contrast", "entropy"):
        assert kept.signals[name] == pytest.approx(small.signals[name], rel=0.02), name
    assert distance(kept.phash, small.phash) <= 1


def test_resized_images_are_similar_to_img2datasets(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    with pytest.warns(DeprecationWarning, match="imghdr"):
        module = resizer()
    for size, mode in (("shortest_side", "keep_ratio"), ("longest_side", "keep_ratio_largest")):
        theirs_at_192 = module.Resizer(192, mode, True)
        for name in ("astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "camera.png"):
            content = next(shared_data.glob(f"images/scikit-image/**/{name}")).read_bytes()
            theirs, width, height, *_ = theirs_at_192(io.BytesIO(content))
            ours = stored(content, size, 192)
            assert (ours.width, ours.height) == (width, height), name
            expected = Image.open(io.BytesIO(theirs)).convert("RGB")
            assert decibels(opened(ours).convert("RGB"), expected) > 31, name


@pytest.mark.parametrize("width", [900, 2700], ids=["held in one piece", "in several"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_third_of_the_size_is_the_mean_over_squares(width: int, mode: str) -> None:
    size = width, width // 9 * 6
    picture = Image.frombytes(mode, size, np.random.default_rng(0).bytes(size[0] * size[1] * len(mode)))
    squares = np.asarray(picture, dtype=float).reshape(size[1] // 3, 3, size[0] // 3, 3, -1)
    small = np.asarray(resized(picture, (size[0] // 3, size[1] // 3)))
    assert (small.reshape(squares.mean((1, 3)).shape) == np.rint(squares.mean((1, 3)))).all()


# As a viewer shows it


def test_the_stored_picture_looks_the_same_in_all_orientations(shared_data: Path) -> None:
    names = [f"images/exif-orientation/Landscape_{n}.jpg" for n in range(9)]
    for settings in ({}, {"size": "longest_side", "pixels": 300}):
        images = [stored((shared_data / name).read_bytes(), **settings) for name in names]  # type: ignore[arg-type]
        upright = opened(images[1]).convert("RGB")
        assert upright.width > upright.height
        for number, image in enumerate(images):
            assert "exif" not in opened(image).info, number
            assert opened(image).size == (image.width, image.height) == upright.size, number
            small = opened(image).convert("RGB").resize((120, 80))
            assert decibels(small, upright.resize((120, 80))) > 25, number
            assert distance(image.phash, images[1].phash) <= 4, number
        if not settings:
            as_fetched = [Image.open(shared_data / name) for name in names[:2]]
            assert [opened(image).tobytes() for image in images[:2]] == [image.tobytes() for image in as_fetched]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_are_turned_too(kind: str, photo: Any, encoded: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = stored(encoded(photo(300, 200), kind, exif=exif))
    assert (image.width, image.height, image.mime, image.fetched_mime) == (200, 300, "image/jpeg", f"image/{kind.lower()}")  # fmt: skip
    turned = photo(300, 200).transpose(Image.Transpose.ROTATE_270)
    assert decibels(opened(image), turned) > 30


def test_an_unknown_exif_orientation_is_ignored(photo: Any, encoded: Any) -> None:
    for value in (0, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = value
        assert stored(encoded(photo(), "JPEG", exif=exif)).content == encoded(photo(), "JPEG")


def test_a_mid_grey_of_sixteen_bits_stays_mid_grey(encoded: Any) -> None:
    grey = encoded(Image.fromarray(np.full((300, 400), 32768, np.uint16)))
    small = opened(stored(grey, "longest_side", 100))
    assert (small.mode, small.getextrema()) == ("L", (128, 128))


def test_transparency_stays_and_its_hidden_colours_do_not_bleed(encoded: Any) -> None:
    picture = Image.new("RGBA", (400, 300), (0, 255, 0, 0))
    picture.paste((200, 0, 0, 255), (0, 0, 201, 300))
    for content in (encoded(picture), encoded(picture, "WEBP", lossless=True, exact=True)):
        small = stored(content, "longest_side", 100)
        assert small.mime == "image/png"
        seen = np.asarray(opened(small))
        assert seen.shape == (75, 100, 4)
        assert (seen[:, :49] == (200, 0, 0, 255)).all()
        assert (seen[:, 52:, 3] == 0).all()
        assert (seen[seen[..., 3] > 0][:, 1] == 0).all(), "no green"


def test_an_opaque_alpha_channel_becomes_a_jpeg(photo: Any, encoded: Any) -> None:
    image = stored(encoded(photo().convert("RGBA")), "longest_side", 100)
    assert image.mime == "image/jpeg"
    assert decibels(opened(image), photo(100, 67)) > 30


def test_inks_that_adobe_writes_inverted_are_not(photo: Any, encoded: Any) -> None:
    image = stored(encoded(photo().convert("CMYK"), "JPEG", quality=95), "longest_side", 150)
    assert opened(image).mode == "RGB"
    assert decibels(opened(image), photo(150, 100)) > 28


def test_an_animation_is_resized_as_its_first_frame(photo: Any, encoded: Any) -> None:
    frames = [photo(), Image.new("RGB", (300, 200), "red")]
    for kind in ("GIF", "WEBP", "PNG"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        small = stored(content, "longest_side", 150)
        assert decibels(opened(small).convert("RGB"), photo(150, 100)) > 25, kind
        assert stored(content).content is content


def test_a_colour_profile_goes_along_where_it_still_fits(photo: Any, encoded: Any) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    small = stored(encoded(photo(), "JPEG", icc_profile=profile), "longest_side", 100)
    assert opened(small).info["icc_profile"] == profile
    inks = stored(encoded(photo().convert("CMYK"), "JPEG", icc_profile=profile), "longest_side", 100)
    assert "icc_profile" not in opened(inks).info
    assert decibels(opened(inks), photo(100, 67)) > 25


# What is refused


@pytest.mark.parametrize("settings", [{}, {"size": "longest_side", "pixels": 64}], ids=["kept", "resized"])
@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "PNG", "GIF", "WEBP"])
def test_a_truncated_file_is_detected_wherever_it_is_cut(kind: str, settings: Any, photo: Any, encoded: Any) -> None:
    noise = np.random.default_rng(1).integers(0, 40, (600, 900, 3), dtype=np.uint8)
    picture = Image.fromarray(np.asarray(photo(900, 600)) // 2 + noise)
    content = encoded(picture, kind.split()[-1], **({"progressive": True} if " " in kind else {}))
    for share in (0.05, 0.5, 0.9, 0.99):
        with pytest.raises(NoImageError, match="undecodable"):
            stored(content[: int(len(content) * share)], **settings)


def test_a_webp_of_more_pixels_than_memory_has_room_for_is_refused_before_it_is_opened() -> None:
    side = (8000 - 1).to_bytes(3, "little")
    content = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + side + side
    with pytest.raises(NoImageError, match="too_many_pixels"):
        stored(content)


@pytest.mark.parametrize("settings", [{}, {"size": "longest_side", "pixels": 64}], ids=["kept", "resized"])
def test_a_jpeg_with_too_many_scans_is_refused_by_that_reason(settings: Any, photo: Any, encoded: Any) -> None:
    content = encoded(photo(), "JPEG", progressive=True)
    endless = content[:-2] + content[content.rindex(b"\xff\xda") : -2] * 200 + b"\xff\xd9"
    for hostile in (endless, endless[:20] + b"junk" + endless[20:]):
        with pytest.raises(NoImageError, match="too_many_scans"):
            stored(hostile, **settings)


def test_bytes_of_a_marker_in_metadata_are_no_scans(photo: Any, encoded: Any) -> None:
    comment = b"\xff\xda" * 200
    for kind in ({}, {"progressive": True}):
        image = stored(encoded(photo(), "JPEG", comment=comment, **kind), "longest_side", 64)
        assert (image.width, comment in image.content) == (64, False)


def test_preparing_images_loads_neither_torch_nor_img2dataset() -> None:
    script = (
        "import sys; from m3w.pipeline.recipe import Images; from m3w.pipeline.images.prepare import prepare\n"
        "prepare(sys.stdin.buffer.read(), Images(size='longest_side', pixels=20), max_pixels=10**6)\n"
        "sys.exit(bool({'torch', 'img2dataset', 'albumentations', 'ray'} & set(sys.modules)))"
    )
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "PNG")
    subprocess.run([sys.executable, "-c", script], input=file.getvalue(), check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_memory_is_not_taken_from_the_system_anew_for_each_picture(photo: Any, encoded: Any) -> None:
    """Without `keep_freed_memory` some 650 pages are."""
    script = (
        "import resource, sys; from m3w.pipeline.recipe import Images; from m3w.pipeline.images.prepare import prepare\n"
        "content, small = sys.stdin.buffer.read(), Images(size='shortest_side', pixels=256)\n"
        "for number in range(40):\n"
        "    if number == 20: before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    prepare(content, small, max_pixels=10**7)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)"
    )
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, input=encoded(photo(700, 467), "JPEG"), check=True, capture_output=True).stdout
    assert float(said) < 60
