import io
import random

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageEnhance

from m3w.trainer.data.images import (
    MAX_PIXELS,
    Augmentation,
    PixelFormat,
    UndecodableImageError,
    decode_image,
    draw_augmentation,
    normalised,
    paste_centred,
    to_pixels,
)

FORMAT = PixelFormat(size=8, mean=(0.5, 0.4, 0.3), std=(0.5, 0.5, 0.5))


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_the_longer_side_fits_and_the_aspect_is_kept():
    assert decode_image(encoded(Image.new("RGB", (200, 100))), 50).shape == (25, 50, 3)
    assert decode_image(encoded(Image.new("RGB", (10, 30))), 60).shape == (60, 20, 3)
    assert decode_image(encoded(Image.new("RGB", (900, 1))), 8).shape == (1, 8, 3)


def test_padding_is_the_mean_colour_on_both_sides():
    pixels = to_pixels(np.asarray(Image.new("RGB", (8, 4), (255, 0, 0))), FORMAT)
    assert pixels.shape == (3, 8, 8)
    assert torch.equal(pixels[:, :2], torch.zeros(3, 2, 8))
    assert torch.equal(pixels[:, 6:], torch.zeros(3, 2, 8))
    assert pixels[:, 3, 3].tolist() == pytest.approx([1.0, -0.8, -0.6])


def test_a_photograph_on_its_side_is_turned_upright():
    picture = Image.new("RGB", (40, 20), "white")
    exif = picture.getexif()
    exif[0x0112] = 6
    assert decode_image(encoded(picture, "JPEG", exif=exif), 20).shape == (20, 10, 3)


def test_mid_grey_of_sixteen_bits_is_mid_grey():
    grey = Image.fromarray(np.full((4, 4), 0x8000, np.uint16))
    assert decode_image(encoded(grey), 4)[1, 1].tolist() == [128, 128, 128]


def test_the_transparent_is_white():
    assert decode_image(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))), 4)[0, 0].tolist() == [255, 255, 255]


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


def test_a_photograph_is_nearly_what_full_decoding_and_a_bicubic_filter_give():
    """Of 255: scaled decoding and means over areas, against the slow way of the processor."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    photograph = Image.fromarray(noise).resize((1200, 800), Image.Resampling.BICUBIC)
    content = encoded(photograph, "JPEG", quality=90)
    slow = Image.open(io.BytesIO(content)).convert("RGB").resize((320, 213), Image.Resampling.BICUBIC)
    difference = np.abs(decode_image(content, 320).astype(float) - np.asarray(slow, float))
    assert difference.mean() < 3
    assert np.percentile(difference, 99) < 12


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_scale_of_a_photograph_has_the_shape_of_the_whole(orientation):
    """632 x 827 to 320: 245 wide, though half of it, 316 x 414, would come to 244."""
    options = Image.Exif()
    options[ExifTags.Base.Orientation] = orientation
    content = encoded(Image.new("RGB", (632, 827)), "JPEG", exif=options)
    assert decode_image(content, 320).shape == ((320, 245, 3) if orientation == 1 else (245, 320, 3))


def test_half_of_the_pictures_are_mirrored():
    picture = np.array([[(255, 0, 0), (0, 0, 0)]], np.uint8)
    changed = [draw_augmentation(random.Random(seed), flip=True, colour=False)(picture) for seed in range(200)]
    mirrored = sum(image[0, 1].tolist() == [255, 0, 0] for image in changed)
    assert 70 < mirrored < 130


def test_colours_change_a_little():
    picture = np.full((2, 2, 3), (100, 150, 200), np.uint8)
    changed = [draw_augmentation(random.Random(s), flip=False, colour=True)(picture) for s in range(20)]
    assert len({tuple(image[0, 0].tolist()) for image in changed}) > 10
    assert all(abs(int(image[0, 0, 0]) - 100) < 60 for image in changed)


def test_colours_change_as_pillow_would_change_them():
    picture = np.random.default_rng(0).integers(80, 160, (8, 8, 3)).astype(np.uint8)
    expected = Image.fromarray(picture)
    for enhance, factor in ((ImageEnhance.Brightness, 1.1), (ImageEnhance.Contrast, 0.9), (ImageEnhance.Color, 1.2)):
        expected = enhance(expected).enhance(factor)
    ours = Augmentation(False, 1.1, 0.9, 1.2)(picture)
    assert np.abs(ours.astype(int) - np.asarray(expected, int)).max() <= 3  # Pillow rounds three times


def test_bytes_are_normalised_behind_the_loader_as_at_once():
    wide = np.random.default_rng(0).integers(0, 255, (4, 8, 3)).astype(np.uint8)
    squares = torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8)
    box = paste_centred(wide, squares.numpy()[0, 0])
    pixels = normalised(squares, torch.tensor([[box]]), FORMAT)
    expected = (torch.from_numpy(wide).permute(2, 0, 1) / 255 - torch.tensor(FORMAT.mean).view(3, 1, 1)) / 0.5
    assert pixels.shape == (1, 1, 3, 8, 8)
    assert torch.allclose(pixels[0, 0, :, 2:6], expected, atol=1e-6)
    assert not pixels[0, 0, :, :2].any() and not pixels[0, 0, :, 6:].any()
