"""Memory of the largest images: each is prepared in a separate process, which reports its peak."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 8000
LIMIT_MIB = 600
SCRIPT = """
import sys
from pathlib import Path
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.images.section import Images
settings = Images(size=sys.argv[2], pixels=int(sys.argv[3])) if sys.argv[2] != "keep" else Images()
try:
    image = prepare(Path(sys.argv[1]).read_bytes(), settings, max_pixels=64_000_000)
    print(image.mime, image.width, image.height)
except NoImageError as error:
    print(error)
lines = Path("/proc/self/status").read_text().splitlines()  # getrusage would give the parent's peak after a fork
print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))
"""


def prepared(path: Path, *settings: str) -> tuple[str, int]:
    command = [sys.executable, "-c", SCRIPT, str(path), *(settings or ("keep",))]
    said, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:2]
    return said, int(peak)


def picture(mode: str = "RGB") -> Image.Image:
    small = np.random.default_rng(2).integers(0, 255, (500, 500, 4), dtype=np.uint8)
    return (
        Image.fromarray(small)
        .convert(mode if mode in ("RGB", "RGBA", "CMYK") else "RGB")
        .convert(mode)
        .resize((SIDE, SIDE), Image.Resampling.NEAREST)
    )


def saved(mode: str, kind: str, orientation: int = 1, **settings: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture(mode).save(file, kind, exif=exif, **settings)
    return file.getvalue()


def deep_png() -> bytes:
    """16-bit RGBA: 8 bytes a pixel, all alike."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pack = zlib.compressobj(1)
    pixels = b"".join(pack.compress(b"\0" + b"\x80\0\x40\0\x20\0\xff\xff" * SIDE) for _ in range(SIDE)) + pack.flush()
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


MAKE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "baseline": (lambda: saved("RGB", "JPEG"), "image/jpeg 8000 8000", "image/jpeg 256 256"),
    "progressive": (
        lambda: saved("RGB", "JPEG", progressive=True, subsampling=0), "image/jpeg 8000 8000", "image/jpeg 256 256"
    ),
    "progressive inks": (lambda: saved("CMYK", "JPEG", progressive=True), "image/jpeg 8000 8000", "image/jpeg 256 256"),
    "turned": (lambda: saved("RGB", "JPEG", 6), "image/jpeg 4000 4000", "image/jpeg 256 256"),
    "turned progressive inks": (
        lambda: saved("CMYK", "JPEG", 6, progressive=True), "image/jpeg 2000 2000", "image/jpeg 256 256"
    ),
    "alpha": (lambda: saved("RGBA", "PNG", compress_level=1), "image/png 8000 8000", "image/png 256 256"),
    "alpha turned": (lambda: saved("RGBA", "PNG", 3, compress_level=1), "image/png 4000 4000", "image/png 256 256"),
    "palette": (lambda: saved("P", "PNG", compress_level=1), "image/png 8000 8000", "image/jpeg 256 256"),
    "16 bits": (deep_png, "image/png 8000 8000", "image/jpeg 256 256"),
    "16-bit greys": (lambda: saved("I;16", "PNG", compress_level=1), "image/png 8000 8000", "image/jpeg 256 256"),
    "GIF": (lambda: saved("P", "GIF"), "image/gif 8000 8000", "image/jpeg 256 256"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKE)
def test_a_picture_of_64_megapixels_takes_less_than_600_mib(name: str, tmp_path: Path) -> None:
    make, kept, small = MAKE[name]
    path = tmp_path / "picture"
    path.write_bytes(make())
    for settings, expected in (((), kept), (("shortest_side", "256"), small)):
        said, peak = prepared(path, *settings)
        assert said == expected
        assert peak < LIMIT_MIB, settings


@pytest.mark.slow
def test_the_largest_webp_that_is_taken_takes_less_than_600_mib(tmp_path: Path) -> None:
    path = tmp_path / "picture.webp"
    picture("RGBA").resize((4898, 4898), Image.Resampling.NEAREST).save(path, lossless=True, quality=0, method=0)
    for settings in ((), ("shortest_side", "256")):
        said, peak = prepared(path, *settings)
        assert said.startswith("image/")
        assert peak < LIMIT_MIB
    picture("RGB").save(path, quality=10, method=0)
    said, peak = prepared(path)
    assert said == "too_many_pixels"
    assert peak < 200
