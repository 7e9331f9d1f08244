"""Resizing of fetched images to 256 pixels: ours, img2dataset's resizer, and the alternatives that were considered.

    python -m benchmarks.images [--rounds N] [--data ../shared]

On the JPEG, PNG and GIF files of the shared web pages and photographs, except those that EXIF rotates (img2dataset does
not rotate them). Each round times every method on every file, one after the other, so that a busy machine slows all of
them; the figure of a file is its fastest round. Similarity compares the resized pixels, before they are encoded, with
area means of the image decoded at full size, which is what img2dataset computes, over the JPEGs that are larger.
"""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import numpy as np
from PIL import Image

from benchmarks.command import options_parser, print_figures, require_data
from benchmarks.img2dataset_peer import resizer
from m3w.pipeline.images import pixels
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.pixels import resized, target_size
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.images.section import Images

SIDE, QUALITY, MAX_PIXELS = 256, 95, 64_000_000
Way = Callable[[bytes], object]


def decoded(content: bytes, times: int) -> tuple[Image.Image, tuple[int, int]]:
    """The picture at `times` the wanted size or more (0: at full size), and the wanted size."""
    image = Image.open(io.BytesIO(content))
    size = target_size(*image.size, "shortest_side", SIDE) or image.size
    fitting = (f for f in pixels.FACTORS if times and min(image.size) >= times * SIDE * f)
    return pixels.on_white(pixels.shown(image, next(fitting, 1), 1)).convert("RGB"), size


def by_area(content: bytes, times: int = 2) -> Image.Image:
    picture, size = decoded(content, times)
    return Image.fromarray(cv2.resize(np.asarray(picture), size, interpolation=cv2.INTER_AREA))


def by_pillow(content: bytes) -> Image.Image:
    picture, size = decoded(content, 2)
    return picture.resize(size, Image.Resampling.BOX)


def by_two_steps(content: bytes, times: int = 2) -> Image.Image:
    picture, size = decoded(content, times)
    return resized(picture, size) if size != picture.size else picture


def by_cv2_reduced(content: bytes) -> Image.Image:
    width, height = Image.open(io.BytesIO(content)).size
    factor = next((f for f in pixels.FACTORS if min(width, height) >= 2 * SIDE * f), 1)
    flag = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}.get(
        factor, cv2.IMREAD_REDUCED_COLOR_8
    )
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    size = target_size(width, height, "shortest_side", SIDE) or (width, height)
    return Image.fromarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1])


def encoded(make: Callable[[bytes], Image.Image]) -> Way:
    def way(content: bytes) -> bytes:
        file = io.BytesIO()
        make(content).save(file, "JPEG", quality=QUALITY)
        return file.getvalue()

    return way


def ways() -> dict[str, Way]:
    theirs = resizer().Resizer(SIDE, "keep_ratio", True)

    def handed_over(content: bytes) -> object:
        picture, _ = decoded(content, 2)
        return theirs(io.BytesIO(b"P6 %d %d 255\n" % picture.size + picture.tobytes()))

    small, kept = Images(size="shortest_side", pixels=SIDE, quality=QUALITY), Images()
    return {
        "img2dataset's resizer": lambda content: theirs(io.BytesIO(content)),
        "Pillow draft, handed to the resizer": handed_over,
        "Pillow draft, cv2 area, Pillow's encoder": encoded(by_area),
        "Pillow draft, Pillow box": encoded(by_pillow),
        "cv2 reduced decode, cv2 area": encoded(by_cv2_reduced),
        "Pillow draft, two steps": encoded(by_two_steps),
        "ours at 256, with signals and hashes": lambda content: prepare(content, small, max_pixels=MAX_PIXELS),
        "ours, sizes kept, with signals and hashes": lambda content: prepare(content, kept, max_pixels=MAX_PIXELS),
    }


def files(shared: Path) -> dict[str, list[bytes]]:
    """By kind; without what does not decode and what EXIF turns."""
    by_kind: dict[str, list[bytes]] = {"JPEG over 256": [], "JPEG, smaller": [], "PNG and GIF": []}
    for folder in ("data/web", "data/images/scikit-image"):
        for path in sorted((shared / folder).rglob("*")):
            content = path.read_bytes() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".gif") else b""
            try:
                prepare(content, Images(), max_pixels=MAX_PIXELS)
            except NoImageError:
                continue
            with Image.open(io.BytesIO(content)) as image:
                if pixels.orientation_of(image) == 1:
                    large = "JPEG over 256" if min(image.size) > SIDE else "JPEG, smaller"
                    by_kind[large if image.format == "JPEG" else "PNG and GIF"].append(content)
    return by_kind


def milliseconds(contents: list[bytes], ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Mean over files of the fastest round."""
    fastest = {name: [float("inf")] * len(contents) for name in ways}
    for _ in range(rounds):
        for number, content in enumerate(contents):
            for name, way in ways.items():
                started = time.perf_counter()
                way(content)
                fastest[name][number] = min(fastest[name][number], time.perf_counter() - started)
    return {name: 1000 * sum(times) / len(times) for name, times in fastest.items()}


def decibels(first: Image.Image, second: Image.Image) -> float:
    error = np.mean((np.asarray(first, dtype=float) - np.asarray(second, dtype=float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 0.01)))


def likeness(contents: list[bytes]) -> dict[str, tuple[float, float]]:
    """Decibels to means over areas at full size: mean, and that of the worst twentieth."""
    candidates = {
        "Pillow draft, cv2 area, Pillow's encoder": by_area,
        "Pillow draft, Pillow box": by_pillow,
        "cv2 reduced decode, cv2 area": by_cv2_reduced,
        "Pillow draft, two steps": by_two_steps,
    }
    exact = [by_area(content, times=0) for content in contents]
    similarity = {}
    for name, make in candidates.items():
        values = [decibels(make(content), expected) for content, expected in zip(contents, exact, strict=True)]
        similarity[name] = (float(np.mean(values)), float(np.percentile(values, 5)))
    return similarity


def main() -> None:
    options = options_parser(__doc__, data=True).parse_args()
    require_data(options.data, "data/web")
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    kinds = files(options.data)
    times = {kind: milliseconds(contents, ways(), options.rounds) for kind, contents in kinds.items()}
    total = sum(map(len, kinds.values()))
    overall = {name: sum(times[kind][name] * len(kinds[kind]) for kind in kinds) / total for name in ways()}
    alike = likeness(kinds["JPEG over 256"])
    print("milliseconds a file" + "".join(f" | {kind} ({len(contents)})" for kind, contents in kinds.items()), end="")
    print(f" | all ({total}) | decibels, worst twentieth")
    for name in overall:
        cells = " | ".join(f"{times[kind][name]:.2f}" for kind in kinds)
        like = f"{alike[name][0]:.1f}, {alike[name][1]:.1f}" if name in alike else ""
        print(f"{name} | {cells} | {overall[name]:.2f} | {like}")
    theirs = overall["img2dataset's resizer"]
    figures = {
        "ratio_to_img2dataset_resizer": theirs / overall["ours at 256, with signals and hashes"],
        "ratio_to_img2dataset_resizer_kept": theirs / overall["ours, sizes kept, with signals and hashes"],
        "large_jpeg_ratio": times["JPEG over 256"]["img2dataset's resizer"]
        / times["JPEG over 256"]["ours at 256, with signals and hashes"],
    }
    print_figures("images", {name: round(value, 2) for name, value in figures.items()}, f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
