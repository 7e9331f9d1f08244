"""The resources and cost of one whole Common Crawl, computed from measured figures.

    python -m benchmarks.scale.cost [FILE]

FILE holds the last line of `make bench-scale` (default: docs/benchmarks.md, which contains it). Prints the
tables of docs/scale.md. Everything that was not measured is an assumption, given below with its date.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
Figures = dict[str, float]
Row = tuple[str, str, str]

PAGES = 2_700_000_000
FILES = 90_000
FILE_BYTES = 1e9
"""One crawl of 2025."""
WORKERS, CORES_A_WORKER = 32, 16
"""`ray_cluster.yaml` at its largest."""
SPOT, ON_DEMAND, HEAD = 0.30, 0.8064, 0.2016
"""US dollars per hour in us-east-1, assumed 2026-11: m7i.4xlarge, spot and on demand; m7i.xlarge."""
PUT_1000, GET_1000, STORE_GB_MONTH = 0.005, 0.0004, 0.023
"""US dollars for S3 Standard in us-east-1, assumed 2026-11. Traffic inside the region and from the Internet is free."""
READ_AHEAD_BYTES = 8 * 2**20
"""About the bytes per request of an archive that is read by ranges."""
IMAGE_BYTES = 138_000
IMAGES_PER_CORE_SECOND = 239.7
"""From `make bench-fetch`."""
REQUESTS_AT_ONCE, REQUEST_SECONDS = 100, 0.02
"""Small files on a store: the concurrent requests of s3fs, and the seconds to the first byte, assumed 2026-11."""
REFERENCE_BYTES = 3_000
"""Bytes that a driver keeps for each piece of a shuffle: `CALLER_MEMORY_USAGE_PER_OBJECT_REF` of Ray's constants."""
BLOCK_BYTES, LEAST_BLOCKS = 128 * 2**20, 200
"""Ray Data: the bytes of a block, and the lowest number of tasks that read items."""
MAPS_A_MERGE = 2
"""Ray's push-based shuffle, which `m3w.pipeline.engine.shuffle` uses for many parts."""
FINGERPRINT_BYTES, REQUEST_BYTES = 250, 200
"""Bytes of a row in memory: band keys, rank and part; address, part and position."""


def read_figures(path: Path) -> Figures:
    lines = [line.strip() for line in path.read_text().splitlines()]
    (line,) = [line for line in lines if line.startswith('{"bench": "scale"')]
    figures: Figures = json.loads(line)["figures"]
    return figures


def core_hours(figures: Figures) -> float:
    return PAGES / (figures["pages_per_second_2"] / 2) / 3600


def bill(figures: Figures) -> list[Row]:
    """The resources and cost without fetching images from the web."""
    hours = core_hours(figures) / (WORKERS * CORES_A_WORKER)
    kept = sum(figures[f"{name}_bytes_a_page"] for name in ("documents", "duplicates", "images", "ledger", "dataset"))
    objects = figures["files_a_part"] * FILES
    puts, gets = objects * 2, FILES * FILE_BYTES / READ_AHEAD_BYTES + objects * 3
    store_gb = kept * PAGES / 1e9
    return [
        ("core-hours", f"{core_hours(figures):,.0f}", f"{figures['pages_per_second_2'] / 2:.0f} pages/s a core"),
        ("hours", f"{hours:,.1f}", f"{WORKERS} workers of {CORES_A_WORKER} cores, all busy"),
        ("bytes read, TB", f"{FILES * FILE_BYTES / 1e12:,.0f}", "each archive file once"),
        ("bytes written, TB", f"{store_gb / 1e3:,.1f}", f"{kept:,.0f} bytes a page at the recipe's rules"),
        ("objects, million", f"{objects / 1e6:,.1f}", f"{figures['files_a_part']:.0f} files a part"),
        ("PUT and COPY, million", f"{puts / 1e6:,.1f}", "under a temporary name, then moved"),
        (
            "GET, million",
            f"{gets / 1e6:,.1f}",
            f"{READ_AHEAD_BYTES >> 20} MiB of an archive each; outputs",
        ),
        ("workers, dollars", f"{hours * WORKERS * SPOT:,.0f}", f"on demand {hours * WORKERS * ON_DEMAND:,.0f}"),
        ("head, dollars", f"{hours * HEAD:,.0f}", "on demand"),
        ("requests, dollars", f"{puts / 1e3 * PUT_1000 + gets / 1e3 * GET_1000:,.0f}", "PUT and GET"),
        ("store, dollars a month", f"{store_gb * STORE_GB_MONTH:,.0f}", "while all intermediate files are kept"),
    ]


def breaks(figures: Figures) -> list[Row]:
    """What grows with the crawl, ordered by what reaches its limit first."""
    references = figures["image_references_a_page"] * PAGES
    urls = figures["image_urls_a_page"] * PAGES
    kept = figures["kept_documents_a_page"] * PAGES
    read_s = FILES * REQUEST_SECONDS / REQUESTS_AT_ONCE + figures["seconds_100k_parts"] * FILES / 100_000
    driver = figures["driver_mib_100k_parts"] * FILES / 100_000
    shuffled = max(kept * FINGERPRINT_BYTES, references * REQUEST_BYTES)
    blocks = max(LEAST_BLOCKS, shuffled / BLOCK_BYTES)
    merges = WORKERS * round(CORES_A_WORKER / (MAPS_A_MERGE + 1))
    maps = WORKERS * CORES_A_WORKER - merges
    pieces = math.ceil(blocks / maps) * blocks + maps * merges
    gbits = IMAGES_PER_CORE_SECOND * CORES_A_WORKER * IMAGE_BYTES * 8 / 1e9
    return [
        ("parts of the fetch", f"{references / 10_000:,.0f}", "`fetch.urls_per_part` 10,000"),
        (
            "hours for a host of a million images",
            f"{1e6 * 0.2 / 3600:,.0f}",
            "`fetch.host.delay_s` 0.2, one task a host",
        ),
        ("images over the net, TB", f"{urls * IMAGE_BYTES / 1e12:,.0f}", f"{urls / 1e9:,.1f} billion of 138 kB"),
        ("core-hours of the fetch", f"{urls / IMAGES_PER_CORE_SECOND / 3600:,.0f}", "beside those above; 256 px"),
        ("Gbit/s of a worker that fetches", f"{gbits:,.1f}", "if hosts let it; m7i.4xlarge has 6 to 12.5"),
        ("MiB of the driver a stage", f"{driver:,.0f}", f"entries of {FILES:,} parts; some six stages at a time"),
        (
            "GB of the largest shuffle",
            f"{shuffled / 1e9:,.0f}",
            f"{shuffled / WORKERS / 1e9:,.0f} a worker: 17 + disk 170",
        ),
        (
            "pieces of a shuffle",
            f"{pieces / 1e6:,.1f} million",
            f"{blocks:,.0f} blocks, merged {maps} at a time; else {blocks**2 / 1e6:,.0f} million",
        ),
        ("GiB of the driver for them", f"{pieces * REFERENCE_BYTES / 2**30:,.1f}", f"{REFERENCE_BYTES:,} bytes each"),
        ("seconds to read a stage's ledger", f"{read_s:,.0f}", f"{FILES:,} objects, {REQUESTS_AT_ONCE} at a time"),
        ("requests to list a folder", f"{FILES / 1000:,.0f}", "1,000 names each, once a stage and build"),
    ]


def table(title: tuple[str, str, str], rows: list[Row]) -> str:
    lines = [f"| {' | '.join(title)} |", "| --- | ---: | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def main() -> None:
    figures = read_figures(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "benchmarks.md")
    print(table(("one whole crawl", "", "from"), bill(figures)))
    print()
    print(table(("what grows", "at one whole crawl", "from"), breaks(figures)))


if __name__ == "__main__":
    main()
