"""What is measured on an image, and its perceptual hash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.filters.signals.image import measure
from m3w.pipeline.images.hashes import distance, perceptual_hash
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.images.section import Images


def signals(content: bytes) -> dict[str, float]:
    return prepare(content, Images(), max_pixels=10**8).signals


def test_a_picture_of_two_shades_has_the_figures_that_one_can_work_out() -> None:
    picture = Image.new("L", (100, 50), 0)
    picture.paste(200, (0, 0, 25, 50))
    assert measure(picture, 1000, 500, 25_000) == {
        "shorter_side": 500,
        "longer_side": 1000,
        "aspect_ratio": 2,
        "bytes": 25_000,
        "bytes_per_pixel": 0.05,
        "colour_range": 200,
        "contrast": round(200 * (0.25 * 0.75) ** 0.5, 4),
        "commonest_shade": 0.75,
        "entropy": round(0.25 * 2 + 0.75 * np.log2(4 / 3), 4),
    }


def test_one_colour_has_no_contrast_and_no_entropy(encoded: Any) -> None:
    found = signals(encoded(Image.new("RGB", (300, 200), (9, 99, 199))))
    assert (found["colour_range"], found["contrast"], found["commonest_shade"], found["entropy"]) == (0, 0, 1, 0)
    assert str(found["entropy"]) == "0.0"
    assert tuple(found) == IMAGE_SIGNALS


def test_equally_frequent_shades_have_the_highest_entropy(encoded: Any) -> None:
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (64, 1)))
    assert signals(encoded(ramp))["entropy"] == 8


def test_a_page_with_a_line_of_writing_is_nearly_blank_and_a_photo_is_not(photo: Any, encoded: Any) -> None:
    page = Image.new("RGB", (600, 600), "white")
    page.paste((0, 0, 0), (100, 100, 140, 104))
    blank, seen = signals(encoded(page)), signals(encoded(photo(600, 600)))
    assert blank["commonest_shade"] > 0.99 > seen["commonest_shade"]
    assert blank["entropy"] < 0.1 < seen["entropy"]
    assert blank["contrast"] < seen["contrast"]
    assert blank["bytes_per_pixel"] < 0.05


@pytest.mark.parametrize("side", [200, 800, 3000])
def test_a_jpeg_is_measured_as_the_same_picture_in_png(side: int, photo: Any, encoded: Any) -> None:
    """One is brought down by its DCT, the other by means."""
    picture = photo(side, side * 2 // 3)
    first, second = signals(encoded(picture, "JPEG", quality=95)), signals(encoded(picture))
    for name, tolerance in (("colour_range", 8), ("contrast", 0.3), ("commonest_shade", 0.01), ("entropy", 0.1)):
        assert first[name] == pytest.approx(second[name], abs=tolerance), name


def test_one_odd_pixel_of_a_large_picture_is_still_a_range(encoded: Any) -> None:
    picture = Image.new("RGB", (2000, 2000), (10, 10, 10))
    picture.putpixel((777, 1234), (255, 10, 10))
    assert signals(encoded(picture))["colour_range"] >= 1


def test_similar_images_have_similar_hashes_and_others_do_not(photo: Any) -> None:
    picture = photo(640, 480)
    name = perceptual_hash(picture)
    for alike in (picture.resize((200, 150)), ImageEnhance.Brightness(picture).enhance(1.1), picture.convert("L")):
        assert distance(name, perceptual_hash(alike)) <= 4
    assert distance(name, perceptual_hash(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))) > 16


def test_the_hash_of_a_picture_is_known() -> None:
    """Stored hashes and lists of forbidden ones are worth nothing if the function changes."""
    y, x = np.mgrid[:64, :64]
    picture = Image.fromarray((128 + 60 * np.sin(x / 9 + y / 17) + 40 * np.cos(y / 5 - x / 23)).astype(np.uint8))
    assert perceptual_hash(picture) == "b5e04a95c07f0a7e"
    assert perceptual_hash(Image.new("L", (64, 64), 128)) == "8000000000000000"
