"""Scenes as PNG and JPEG files, drawn by Pillow.

Shapes are drawn at three times their size and reduced, for soft edges. Position, scale, rotation, colour and texture
vary a little, so that no two pictures of the same scene are equal.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from m3w.pipeline.demo_crawl.scenes import COLOURS, GROUNDS, Scene, Thing

Point = tuple[float, float]
Colour = tuple[int, int, int]

SIZES = ((96, 96), (120, 120), (128, 96), (144, 108), (160, 120), (96, 120))
"""Widths and heights in pixels: a few kB each, and well above the minimum of 64 in the image rules."""

FINENESS = 3
"""Shapes are drawn at this many times their final size."""

JPEG_SHARE = 0.6

ALONE = {"large": (0.60, 0.76), "small": (0.30, 0.38)}
"""Smallest and largest size of a single thing, as a fraction of the picture's shorter side."""

PAIRED = {"large": (0.40, 0.46), "small": (0.24, 0.29)}
"""The same for each of two things, so that two large ones do not touch."""

TILT = {"square": 12, "cross": 12, "heart": 14, "triangle": 14, "star": 36, "crescent": 25}
"""Largest rotation in degrees: a square that is turned further may be called a diamond."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An encoded image."""

    content: bytes
    mime: str
    width: int
    height: int

    @property
    def suffix(self) -> str:
        return {"image/png": "png", "image/jpeg": "jpg"}[self.mime]


def draw(scene: Scene, random: Random) -> EncodedImage:
    """The scene as an encoded image."""
    return encode(_paint(scene, random, 1), _type(random))


def draw_in_two_sizes(scene: Scene, random: Random) -> tuple[EncodedImage, EncodedImage]:
    """The same picture at normal size and, for high-density screens, at twice the width and height."""
    large = _paint(scene, random, 2)
    mime = _type(random)
    return encode(large.reduce(2), mime), encode(large, mime)


def _type(random: Random) -> str:
    return "image/jpeg" if random.random() < JPEG_SHARE else "image/png"


def _paint(scene: Scene, random: Random, scale: int) -> Image.Image:
    width, height = random.choice(SIZES)
    image = _ground(GROUNDS[scene.ground], (width * scale, height * scale), random)
    sizes = ALONE if len(scene.things) == 1 else PAIRED
    for thing in scene.things:
        _draw_thing(image, thing, random.uniform(*sizes[thing.size]), random)
    return image


def encode(image: Image.Image, mime: str) -> EncodedImage:
    """The image encoded as `mime`."""
    file = io.BytesIO()
    if mime == "image/jpeg":
        image.save(file, "JPEG", quality=86)
    else:
        # 128 colours keep the texture at a third of the bytes.
        image.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "PNG")
    return EncodedImage(file.getvalue(), mime, *image.size)


def _ground(colour: Colour, size: tuple[int, int], random: Random) -> Image.Image:
    """A background of the colour: plain, with a gradient, with fine grain or with faint stripes."""
    image = Image.new("RGB", size, _near(colour, 5, random))
    texture = random.choice(("light", "grain", "stripes", "plain"))
    if texture == "light":
        mask = Image.linear_gradient("L").rotate(random.choice((0, 90, 180, 270))).resize(size)
        return Image.composite(_shade(image, -12), image, mask)
    if texture == "grain":
        grain = Image.frombytes("L", size, random.randbytes(size[0] * size[1])).filter(ImageFilter.BoxBlur(1))
        return Image.composite(_shade(image, -22), image, grain)
    if texture == "stripes":
        pen, shade = ImageDraw.Draw(image), _shade(image, -9).getpixel((0, 0))
        for x in range(random.randrange(8), size[0] + size[1], random.choice((8, 12, 16))):
            pen.line([(x, 0), (x - size[1] // 2, size[1])], fill=shade, width=3)
    return image


def _draw_thing(image: Image.Image, thing: Thing, extent: float, random: Random) -> None:
    """Draw the thing with its shadow. `extent` is its size as a fraction of the shorter side."""
    short = min(image.size)
    radius = extent * short / 2
    jitter = 0.035 * short
    x, y = (
        # Keep the whole shape inside: a shape that is cut off may be ambiguous.
        min(max(fraction * side + random.uniform(-jitter, jitter), radius + 2), side - radius - 2)
        for fraction, side in zip(thing.centre, image.size, strict=True)
    )
    tilt = math.radians(random.uniform(-1, 1) * TILT.get(thing.shape, 0))
    mask = _mask(image.size, (x, y), radius, tilt, thing.shape)
    drop = round(short / 48)
    shadow = ImageChops.offset(mask, drop, drop).filter(ImageFilter.GaussianBlur(drop)).point(lambda v: v * 0.28)
    image.paste((0, 0, 0), mask=shadow)
    colour = Image.new("RGB", image.size, _near(COLOURS[thing.colour], 10, random))
    light = Image.linear_gradient("L").resize(image.size)
    image.paste(Image.composite(_shade(colour, -16), _shade(colour, 10), light), mask=mask)


def _mask(size: tuple[int, int], centre: Point, radius: float, tilt: float, shape: str) -> Image.Image:
    """The shape's mask: 255 inside, 0 outside, in between on the edge."""
    mask = Image.new("L", (size[0] * FINENESS, size[1] * FINENESS))
    pen = ImageDraw.Draw(mask)
    sine, cosine = math.sin(tilt), math.cos(tilt)

    def transformed(points: list[Point]) -> list[Point]:
        return [
            (
                FINENESS * (centre[0] + radius * (x * cosine - y * sine)),
                FINENESS * (centre[1] + radius * (x * sine + y * cosine)),
            )
            for x, y in points
        ]

    pen.polygon(transformed(OUTLINES[shape]()), fill=255)
    if shape == "ring":
        pen.polygon(transformed(_circle(0.58)), fill=0)
    return mask.reduce(FINENESS)


def _circle(radius: float = 1.0) -> list[Point]:
    return [(radius * math.cos(turn), radius * math.sin(turn)) for turn in _turns(72)]


def _turns(count: int) -> list[float]:
    return [2 * math.pi * i / count for i in range(count)]


def _square() -> list[Point]:
    return [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]


def _triangle() -> list[Point]:
    return [(0.0, -0.95), (1.0, 0.82), (-1.0, 0.82)]


def _star() -> list[Point]:
    radii = (1.05, 0.44)
    return [(radii[i % 2] * math.sin(turn), -radii[i % 2] * math.cos(turn)) for i, turn in enumerate(_turns(10))]


def _heart() -> list[Point]:
    return [
        (
            0.95 * math.sin(t) ** 3,
            -0.08 - (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16.5,
        )
        for t in _turns(72)
    ]


def _cross() -> list[Point]:
    arm, end = 0.3, 0.98
    corner = [(-arm, -end), (arm, -end), (arm, -arm)]
    points: list[Point] = []
    for _ in range(4):
        points += corner
        corner = [(-y, x) for x, y in corner]
    return points


def _crescent() -> list[Point]:
    """A circle without a smaller circle that overlaps its right edge."""
    inner, shift = 0.78, 0.42
    # x coordinate at which the two circles intersect.
    x = (1 - inner**2 + shift**2) / (2 * shift)
    outer_tip, inner_tip = math.acos(x), math.acos((x - shift) / inner)
    steps = range(41)
    outer = [outer_tip + (2 * math.pi - 2 * outer_tip) * i / 40 for i in steps]
    back = [2 * math.pi - inner_tip - (2 * math.pi - 2 * inner_tip) * i / 40 for i in steps]
    return [(math.cos(t) + 0.1, math.sin(t)) for t in outer] + [
        (shift + 0.1 + inner * math.cos(t), inner * math.sin(t)) for t in back
    ]


OUTLINES: dict[str, Callable[[], list[Point]]] = {
    "circle": _circle,
    "ring": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "crescent": _crescent,
}
"""Each shape's outline in a circle of radius 1 around the origin, y down."""


def _near(colour: Colour, spread: int, random: Random) -> Colour:
    red, green, blue = (min(255, max(0, channel + random.randint(-spread, spread))) for channel in colour)
    return red, green, blue


def _shade(image: Image.Image, by: int) -> Image.Image:
    """The image with `by` added to each channel (0 to 255)."""
    return image.point(lambda value: value + by)
