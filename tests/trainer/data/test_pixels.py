import io
import random

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data.images import MAX_PIXELS, PixelFormat, UndecodableImageError, augment_image, decode_image, to_pixels

FORMAT = PixelFormat(size=8, mean=(0.5, 0.4, 0.3), std=(0.5, 0.5, 0.5))


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_the_longer_side_fits_and_the_aspect_is_kept():
    assert decode_image(encoded(Image.new("RGB", (200, 100))), 50).size == (50, 25)
    assert decode_image(encoded(Image.new("RGB", (10, 30))), 60).size == (20, 60)
    assert decode_image(encoded(Image.new("RGB", (900, 1))), 8).size == (8, 1)


def test_padding_is_the_mean_colour_on_both_sides():
    pixels = to_pixels(Image.new("RGB", (8, 4), (255, 0, 0)), FORMAT)
    assert pixels.shape == (3, 8, 8)
    assert torch.equal(pixels[:, :2], torch.zeros(3, 2, 8))
    assert torch.equal(pixels[:, 6:], torch.zeros(3, 2, 8))
    assert pixels[:, 3, 3].tolist() == pytest.approx([1.0, -0.8, -0.6])


def test_a_photograph_on_its_side_is_turned_upright():
    picture = Image.new("RGB", (40, 20), "white")
    exif = picture.getexif()
    exif[0x0112] = 6
    assert decode_image(encoded(picture, "JPEG", exif=exif), 20).size == (10, 20)


def test_mid_grey_of_sixteen_bits_is_mid_grey():
    grey = Image.fromarray(np.full((4, 4), 0x8000, np.uint16))
    assert decode_image(encoded(grey), 4).getpixel((1, 1)) == (128, 128, 128)


def test_the_transparent_is_white():
    assert decode_image(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))), 4).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_an_error(content):
    with pytest.raises(UndecodableImageError):
        decode_image(content, 8)


def test_a_picture_cut_short_is_an_error_not_a_half_grey_picture():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    for kind in ("PNG", "JPEG"):
        content = encoded(noise, kind)
        with pytest.raises(UndecodableImageError):
            decode_image(content[: len(content) // 2], 32)


def test_a_picture_of_too_many_pixels_is_an_error_before_it_is_decoded():
    side = int(MAX_PIXELS**0.5) + 10
    with pytest.raises(UndecodableImageError, match="more than"):
        decode_image(encoded(Image.new("1", (side, side))), 8)


def test_half_of_the_pictures_are_mirrored():
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((0, 0), (255, 0, 0))
    changed = [augment_image(picture, random.Random(seed), flip=True, colour=False) for seed in range(200)]
    mirrored = sum(image.getpixel((1, 0)) == (255, 0, 0) for image in changed)
    assert 70 < mirrored < 130


def test_colours_change_a_little():
    picture = Image.new("RGB", (2, 2), (100, 150, 200))
    colours = {augment_image(picture, random.Random(s), flip=False, colour=True).getpixel((0, 0)) for s in range(20)}
    assert len(colours) > 10
    assert all(abs(red - 100) < 60 for red, _, _ in colours)
