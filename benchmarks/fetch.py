"""The stage `fetch` against img2dataset: the same images from one nginx on loopback, to 256 pixels, on one CPU.

    python -m benchmarks.fetch [--rounds N] [--pictures N] [--data FOLDER]

img2dataset runs through its documented `download` in one process, writing WebDataset, with the number of threads that
is fastest here (measured on every fourth image); its time is that which it reports for its shard, without the start of
its processes. Ours is the complete stage over one part: guard, robots.txt, TDMRep, X-Robots-Tag, hashes, a list of
forbidden hashes, perceptual hash, signals, removal of metadata, store and index. nginx has the other CPU. Rounds
alternate between the two; figures are medians. All images are fetched over http, and every fourth over https, with
certificates verified by both against the system's authorities; `ratio_to_img2dataset` is the smaller of the two ratios.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import options_parser, print_figures, require_data
from benchmarks.img2dataset_peer import Measured, download
from benchmarks.web.nginx import ADDRESS, Served, nginx
from benchmarks.web.part import fetch_urls
from benchmarks.web.pictures import write_pictures

PIXELS = 256
THREADS = (8, 16, 32, 64)
EVERY = {"http": 1, "https": 4}
"""Which pictures are fetched: over https img2dataset takes 35 ms for each."""
CONNECTIONS = 64
CLIENT_CPU, SERVER_CPU = 0, 1
FORBIDDEN = 10_000
"""Hashes on the list, half of them perceptual; none of these pictures is on it."""


@dataclass(frozen=True)
class Compared:
    """The rounds of one scheme."""

    threads: int
    """Of img2dataset, those that are best for it."""
    rounds: list[tuple[Measured, Measured]]
    """Ours and its."""

    @property
    def ratio(self) -> float:
        return statistics.median(mine.speed / theirs.speed for mine, theirs in self.rounds)

    def speed(self, which: int) -> float:
        """Images a second: of ours (0), of img2dataset (1)."""
        return statistics.median(pair[which].speed for pair in self.rounds)

    def peak_mib(self, which: int) -> float:
        return max(pair[which].peak_mib for pair in self.rounds)


def ours(urls: list[str], folder: Path, served: Served, forbidden: Path) -> Measured:
    fetch = {
        "source": "web",
        "contact": "bench@example.org",
        "allow_private": [f"{ADDRESS}:{port}" for port in served.ports.values()],
        "hosts": {ADDRESS: {"connections": CONNECTIONS, "delay_s": 0}},
    }
    images = {"size": "longest_side", "pixels": PIXELS, "forbidden": [str(forbidden)]}
    result = fetch_urls(urls, folder, cpu=CLIENT_CPU, fetch=fetch, images=images)
    sizes = {row["url"]: (row["width"], row["height"]) for row in result.rows if row["status"] == "ok"}
    return Measured(result.seconds, result.peak_mib, sizes)


def write_forbidden(path: Path) -> Path:
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(FORBIDDEN)]
    path.write_text("\n".join(text[: 64 if number % 2 else 16] for number, text in enumerate(hashes)))
    return path


@contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """What is started inside runs on `cpu`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def check(mine: Measured, theirs: Measured, urls: list[str]) -> None:
    """Both have every picture, of the same size."""
    for name, result in (("ours", mine), ("img2dataset", theirs)):
        missing = set(urls) - set(result.sizes)
        if missing:
            sys.exit(f"{name} did not get {len(missing)} pictures, such as {min(missing)}: no fair comparison")
    other = {url: (mine.sizes[url], theirs.sizes[url]) for url in urls if mine.sizes[url] != theirs.sizes[url]}
    if other:
        sys.exit(f"{len(other)} pictures have other sizes, such as {min(other.items())}: no fair comparison")


def measure(scheme: str, served: Served, rounds: int, work: Path) -> Compared:
    """img2dataset's best number of threads, by a quarter of the pictures, then the rounds, over one scheme."""
    root = f"{scheme}://{ADDRESS}:{served.ports[scheme]}"
    urls = [f"{root}/{path.name}" for path in sorted((work / "pictures").iterdir())[:: EVERY[scheme]]]
    forbidden = write_forbidden(work / "forbidden.txt")

    def theirs(name: str, threads: int, urls: list[str] = urls) -> Measured:
        return download(urls, work / f"theirs-{scheme}-{name}", threads=threads, pixels=PIXELS, cpu=CLIENT_CPU)

    by_threads = {number: theirs(f"threads-{number}", number, urls[::4]).speed for number in THREADS}
    threads = max(by_threads, key=lambda number: by_threads[number])
    print(f"{scheme}: img2dataset by threads:", ", ".join(f"{n}: {v:.0f} images/s" for n, v in by_threads.items()))
    pairs = []
    for number in range(rounds):
        peer = theirs(str(number), threads)
        mine = ours(urls, work / f"ours-{scheme}-{number}", served, forbidden)
        check(mine, peer, urls)
        pairs.append((mine, peer))
        print(f"  round {number + 1}: ours {mine.speed:.0f}, img2dataset {peer.speed:.0f} images/s", flush=True)
    return Compared(threads, pairs)


def show(compared: dict[str, Compared]) -> dict[str, float]:
    """Print the table; returns the figures."""
    figures: dict[str, float] = {"ratio_to_img2dataset": round(min(c.ratio for c in compared.values()), 3)}
    print(f"{'':30s}{'images/s':>10s}{'peak MiB':>10s}{'ratio':>8s}")
    for scheme, comparison in compared.items():
        for which, name in enumerate(("fetch", f"img2dataset, {comparison.threads} threads")):
            ratio = f"{comparison.ratio:8.2f}" if which == 0 else ""
            print(f"{scheme + ', ' + name:30s}{comparison.speed(which):10.0f}{comparison.peak_mib(which):10.0f}{ratio}")
        figures[f"ratio_to_img2dataset_{scheme}"] = round(comparison.ratio, 3)
        figures[f"images_per_second_{scheme}"] = round(comparison.speed(0), 1)
    figures["peak_mib"] = round(max(c.peak_mib(0) for c in compared.values()))
    figures["img2dataset_peak_mib"] = round(max(c.peak_mib(1) for c in compared.values()))
    return figures


def main() -> None:
    parser = options_parser(__doc__, data=True)
    parser.add_argument("--pictures", type=int, default=2000)
    options = parser.parse_args()
    require_data(options.data, "data/web")
    if os.cpu_count() == 1:
        sys.exit("this machine has one CPU, which the server would share; two are needed")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        print(f"{write_pictures(options.data / 'data', work / 'pictures', options.pictures)}, to {PIXELS} pixels")
        with on_cpu(SERVER_CPU), nginx(work / "pictures", work) as served:
            os.environ["SSL_CERT_FILE"] = str(served.certificates)
            compared = {scheme: measure(scheme, served, options.rounds, work) for scheme in served.ports}
    print_figures("fetch", show(compared), "one CPU for the client")


if __name__ == "__main__":
    main()
