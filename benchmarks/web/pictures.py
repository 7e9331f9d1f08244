"""A folder of pictures like those of a crawl, for a server: unchanged web images, and JPEGs made from photographs.

These JPEGs are different crops of the shared photographs. Their longer sides are distributed like those of pictures on
the web (log-normal, median 800 pixels), their qualities go from 70 to 92. Since most crops are enlarged, noise restores
the detail, and so the bytes and the decoding time, of a camera's picture.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, UnidentifiedImageError

MEDIAN_SIDE, SIGMA = 800, 0.5
SHORTEST, LONGEST = 200, 2400
NOISE = 8.0
"""Standard deviation, of 255; JPEGs of the web have about 2 bits a pixel (HTTP Archive's Web Almanac)."""
PHOTOGRAPH_BYTES = 100_000
"""A smaller file of the shared photographs is a drawing or a test card."""
QUALITIES = (70, 92)


@dataclass(frozen=True)
class Mix:
    """Counts of a folder of pictures."""

    pictures: int
    mean_bytes: int
    mean_pixels: int
    jpegs: int

    def __str__(self) -> str:
        return (
            f"{self.pictures} pictures ({self.jpegs} JPEG), {self.mean_bytes / 1000:.0f} kB and "
            f"{self.mean_pixels / 1e6:.2f} megapixels on average"
        )


def write_pictures(data: Path, folder: Path, count: int, seed: int = 0) -> Mix:
    """Write `count` pictures to `folder`, the web's own first; `data` is the shared folder of data."""
    folder.mkdir(parents=True)
    own = [path for path in sorted((data / "web").rglob("*")) if path.is_file() and _size(path)]
    for number, path in enumerate(own[:count]):
        shutil.copyfile(path, folder / f"{number:05d}{path.suffix.lower()}")
    made = _made([Image.open(path).convert("RGB") for path in _photographs(data)], random.Random(seed))
    for number in range(len(own), count):
        picture, quality = next(made)
        picture.save(folder / f"{number:05d}.jpg", quality=quality)
    return _mix(folder)


def _photographs(data: Path) -> Iterator[Path]:
    for path in sorted((data / "images/scikit-image").rglob("*")):
        size = _size(path)
        if size and path.stat().st_size >= PHOTOGRAPH_BYTES and Image.open(path).mode == "RGB":
            yield path
    for path in sorted((data / "web").rglob("*.[jJ]*")):
        size = _size(path)
        if size and min(size) >= 600 and Image.open(path).mode == "RGB":
            yield path


def _made(photographs: list[Image.Image], draw: random.Random) -> Iterator[tuple[Image.Image, int]]:
    while True:
        photograph = draw.choice(photographs)
        width, height = (round(side * draw.uniform(0.6, 1)) for side in photograph.size)
        left, top = draw.randint(0, photograph.width - width), draw.randint(0, photograph.height - height)
        side = min(max(draw.lognormvariate(0, SIGMA) * MEDIAN_SIDE, SHORTEST), LONGEST)
        scale = side / max(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        crop = photograph.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        noise = Image.effect_noise(size, NOISE).convert("RGB")
        yield ImageChops.add(crop, noise, offset=-128), draw.randint(*QUALITIES)


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        return None


def _mix(folder: Path) -> Mix:
    files = sorted(folder.iterdir())
    sizes = [_size(path) or (0, 0) for path in files]
    return Mix(
        pictures=len(files),
        mean_bytes=sum(path.stat().st_size for path in files) // len(files),
        mean_pixels=sum(width * height for width, height in sizes) // len(files),
        jpegs=sum(path.suffix in (".jpg", ".jpeg") for path in files),
    )
