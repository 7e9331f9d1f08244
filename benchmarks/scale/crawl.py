"""The synthetic crawl as WARC files: for each page a request, a response and metadata, as Common Crawl writes them.

The archive holds a quarter of the main content's images as responses, each with different bytes.
"""

from __future__ import annotations

import io
import os
import random
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scale.pages import page

PAGES_A_FILE = 1_000
"""A thirtieth of a Common Crawl file, so that ten thousand pages make ten parts."""
IMAGES_IN_ARCHIVE = 0.25
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Written:
    """Counts of a crawl or of one of its files."""

    pages: int
    html_bytes: int
    archive_bytes: int
    images: int
    image_bytes: int


def write_crawl(folder: Path, pages: int) -> tuple[Path, Written]:
    """Write one file per thousand pages; existing files are kept. Returns the listing and the counts."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [(folder / f"crawl-{n:05d}.warc.gz", n) for n in range(-(-pages // PAGES_A_FILE))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(write_file, *zip(*files, strict=True)))
    listing = folder / f"{pages}.paths"
    listing.write_text("".join(f"{path.name}\n" for path, _ in files))
    return listing, Written(*(sum(values) for values in zip(*(vars(each).values() for each in found), strict=True)))


def write_file(path: Path, number: int) -> Written:
    """File `number` of the crawl; its counts are stored beside it."""
    sums = path.with_suffix(".sums")
    if sums.exists() and path.exists():
        return Written(*map(int, sums.read_text().split()))
    first, html_bytes, images, image_bytes = number * PAGES_A_FILE, 0, 0, 0
    end = first + PAGES_A_FILE
    with path.with_suffix(".tmp").open("wb") as file:
        file.write(_record("warcinfo", "", first, b"software: synthetic\r\n", "application/warc-fields"))
        for at in range(first, end):
            made = page(at)
            html_bytes += len(made.html)
            request = f"GET {made.url} HTTP/1.1\r\nHost: example\r\nUser-Agent: synthetic\r\n\r\n".encode()
            file.write(_record("request", made.url, at, request, "application/http; msgtype=request"))
            file.write(_response(made.url, at, made.html, f"text/html; charset={made.charset}"))
            file.write(_record("metadata", made.url, at, b"fetchTimeMs: 123\r\n", "application/warc-fields"))
            for url in made.images:
                if random.Random(url).random() < IMAGES_IN_ARCHIVE:
                    content = _picture(url)
                    images, image_bytes = images + 1, image_bytes + len(content)
                    file.write(_response(url, at, content, "image/jpeg"))
    written = Written(end - first, html_bytes, path.with_suffix(".tmp").stat().st_size, images, image_bytes)
    path.with_suffix(".tmp").rename(path)
    sums.write_text(" ".join(str(value) for value in vars(written).values()))
    return written


def _response(url: str, number: int, body: bytes, mime: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Length: {len(body)}\r\nServer: synthetic\r\n\r\n"
    return _record("response", url, number, head.encode() + body, "application/http; msgtype=response")


def _record(kind: str, url: str, number: int, block: bytes, mime: str) -> bytes:
    """A record as a gzip member."""
    date = (_START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    target = f"WARC-Target-URI: {url}\r\n" if url else ""
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\n{target}WARC-Date: {date}\r\nContent-Type: {mime}\r\n"
    whole = f"{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"
    packer = zlib.compressobj(4, zlib.DEFLATED, 31)
    return packer.compress(whole) + packer.flush()


def _picture(url: str) -> bytes:
    """One of 24 JPEGs with its own comment after the first marker: different bytes, the same pixels."""
    content = _PICTURES[random.Random(url).randrange(len(_PICTURES))]
    comment = url.encode()
    return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:]


def _made_pictures(count: int) -> list[bytes]:
    rng, found = np.random.default_rng(3), []
    for n in range(count):
        small = rng.integers(0, 256, (9, 12, 3), np.uint8)
        picture = Image.fromarray(small).resize((320 + 32 * n, 240 + 24 * n), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=88)
        found.append(file.getvalue())
    return found


_PICTURES = _made_pictures(24)
