"""How a build grows with cores, pages and parts.

    python -m benchmarks.scale [--pages N ...] [--rounds N] [--parts N] [--folder DIR]

It measures the ledger first (`benchmarks.scale.ledger`). Then, in each round, it builds the smallest crawl pinned to
one core and to two; then the larger crawls on two. `pages_per_second_N` counts only the CPU time that the build used or
that was idle, so other work on the machine does not matter. `efficiency` is the rate of two cores divided by twice the
rate of one, by the same measure; `efficiency_clock` uses the clock and is fair only if `others` (the share of CPU time
that other work used) is near 0. Memory is the peak resident set of the driver and of the largest worker. After ^C it
prints the figures so far. The cost of a whole crawl from these figures: `python -m benchmarks.scale.cost`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.scale.crawl import write_crawl
from benchmarks.scale.meter import Use, metered

Figures = dict[str, float]


def name_of(count: int) -> str:
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}m"


def built(listing: Path, run: Path, cores: int) -> tuple[dict[str, Any], Use]:
    """The output of a build of the listed files in a new run, and the resources it used."""
    shutil.rmtree(run, ignore_errors=True)
    output, use = metered(
        [sys.executable, "-m", "benchmarks.scale.build", str(listing), str(run), str(cores)], list(range(cores))
    )
    return json.loads(output.splitlines()[-1]), use


def show(pages: int, cores: int, found: dict[str, Any], use: Use) -> None:
    rate = pages * cores / use.share
    used = f"{use.seconds:9.0f}{use.cpu_seconds:9.0f}{use.driver_mib:9.0f}{use.worker_mib:9.0f}"
    print(f"{pages:10,}{cores:6d}{rate:10.1f}{used}", flush=True)
    for title, by_stage in (("seconds of work", found["work"]), ("MiB of the driver after", found["driver_mib"])):
        print(f"{'':10s}{title}: {', '.join(f'{name} {value:.0f}' for name, value in by_stage.items())}", flush=True)


def grow(listing: Path, pages: int, rounds: int, folder: Path) -> Figures:
    """One core compared with two."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    peaks: dict[int, Use] = {}
    by_clock = []
    for _ in range(rounds):
        for cores in rates:
            found, peaks[cores] = built(listing, folder / "run", cores)
            show(pages, cores, found, peaks[cores])
            rates[cores].append(pages * cores / peaks[cores].share)
        by_clock.append(peaks[1].seconds / (2 * peaks[2].seconds))
    efficiency = statistics.median(two / (2 * one) for one, two in zip(rates[1], rates[2], strict=True))
    figures = {f"pages_per_second_{cores}": round(statistics.median(of), 1) for cores, of in rates.items()}
    figures |= {"efficiency": round(efficiency, 3), "efficiency_clock": round(statistics.median(by_clock), 3)}
    figures |= {f"others_{cores}": round(1 - use.share / (use.seconds * cores), 2) for cores, use in peaks.items()}
    figures |= memory(pages, peaks[2])
    return figures | stored(folder / "run", pages) | counted(found["counts"], pages)


def memory(pages: int, use: Use) -> Figures:
    return {
        f"driver_mib_{name_of(pages)}": round(use.driver_mib),
        f"worker_mib_{name_of(pages)}": round(use.worker_mib),
    }


def counted(counts: dict[str, dict[str, int]], pages: int) -> Figures:
    """What a page contributes to the work of later stages."""
    return {
        "kept_documents_a_page": round(counts["filter"]["documents"] / pages, 3),
        "image_references_a_page": round(counts["extract"]["image_references"] / pages, 3),
        "image_urls_a_page": round(counts["requests"]["image_urls"] / pages, 3),
    }


def stored(run: Path, pages: int) -> Figures:
    """Bytes of the run per page, by folder, and files per part of `extract`."""
    sizes = {path: path.stat().st_size for path in run.rglob("*") if path.is_file()}
    parts = len(list((run / "ledger" / "extract").glob("*.json")))
    folders = ("documents", "duplicates", "images", "ledger", "dataset")
    by_folder = {name: sum(size for path, size in sizes.items() if path.is_relative_to(run / name)) for name in folders}
    figures = {f"{name}_bytes_a_page": round(size / pages) for name, size in by_folder.items()}
    return figures | {"files_a_part": round(len(sizes) / parts, 1)}


def ledger(parts: int, folder: Path) -> Figures:
    run = folder / "ledger"
    shutil.rmtree(run, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.scale.ledger", str(parts), str(run)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    shutil.rmtree(run, ignore_errors=True)
    found: Figures = json.loads(output.splitlines()[-1])
    print(f"\nA ledger of {parts:,} parts")
    for name, value in found.items():
        print(f"  {name:28s}{value:12,.3f}")
    return {
        f"seconds_{name_of(parts)}_parts": found["found_done_seconds"],
        f"driver_mib_{name_of(parts)}_parts": round(found["entries_peak_mib"]),
        "listings_per_stage": max(found["found_done_listings"], found["fetch_found_done_listings"]),
        "reads_of_an_entry": max(found["found_done_reads"], found["fetch_found_done_reads"]),
        "commit_ms": found["commit_ms"],
        "store_operations_a_part": sum(value for name, value in found.items() if name.endswith("s_a_part")),
    }


def measure(pages: list[int], rounds: int, parts: int, folder: Path, figures: Figures) -> None:
    """Run all measurements and write their results to `figures`."""
    figures |= ledger(parts, folder)
    print(f"\n{'pages':>10s}{'cores':>6s}{'pages/s':>10s}{'seconds':>9s}{'CPU s':>9s}{'driver':>9s}{'worker':>9s} MiB")
    listing, crawl = write_crawl(folder / "crawl", pages[0])
    figures |= grow(listing, pages[0], rounds, folder)
    figures["archive_bytes_a_page"] = round(crawl.archive_bytes / pages[0])
    for larger in pages[1:]:
        found, use = built(write_crawl(folder / "crawl", larger)[0], folder / "run", 2)
        show(larger, 2, found, use)
        figures |= memory(larger, use) | {f"pages_per_second_2_{name_of(larger)}": round(larger * 2 / use.share, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "m3w-bench-scale")
    options = parser.parse_args()
    figures: Figures = {}
    try:
        measure(sorted(options.pages), options.rounds, options.parts, options.folder, figures)
    except KeyboardInterrupt:
        print("broken off; what follows is what there was")
    shutil.rmtree(options.folder / "run", ignore_errors=True)
    print(
        json.dumps(
            {
                "bench": "scale",
                "date": datetime.now(UTC).date().isoformat(),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
                "figures": figures,
            }
        )
    )


if __name__ == "__main__":
    main()
