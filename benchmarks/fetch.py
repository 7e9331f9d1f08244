"""The stage `fetch` against plain img2dataset: the same pictures from one nginx on loopback, to 256 pixels, on one CPU.

    python -m benchmarks.fetch [--rounds N] [--pictures N] [--data FOLDER]

img2dataset runs by its documented `download`, one process, WebDataset out, with the number of threads that is best for
it here; its time is that of its shard as it states it itself, without the start of its processes. Ours is the stage
over one part, with all that it does: guard, robots.txt, TDMRep, X-Robots-Tag, hashes, perceptual hash, signals,
metadata cut out, store and index. nginx has the other CPU. Rounds alternate between the two; figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.web.nginx import nginx
from benchmarks.web.part import fetch_urls
from benchmarks.web.pictures import Mix, write_pictures

DATA = Path(__file__).parents[2] / "shared" / "data"
PIXELS = 256
THREADS = (8, 16, 32, 64)
CONNECTIONS = 64
CLIENT_CPU, SERVER_CPU = 0, 1

PEER = """
import json, os, resource, sys
os.sched_setaffinity(0, {cpu})
from img2dataset import download
if __name__ == "__main__":
    download(url_list="{urls}", output_folder="{out}", processes_count=1, thread_count={threads},
             image_size={pixels}, resize_mode="keep_ratio_largest", resize_only_if_bigger=True,
             output_format="webdataset", input_format="txt", retries=0, timeout=30)
    print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class Measured:
    """One run of one system."""

    seconds: float
    peak_mib: float
    sizes: dict[str, tuple[int, int]]
    """Pixels of what was kept, by URL."""

    @property
    def speed(self) -> float:
        return len(self.sizes) / self.seconds


def ours(urls: list[str], folder: Path, port: int) -> Measured:
    fetch = {
        "source": "web",
        "contact": "bench@example.org",
        "allow_private": [f"127.0.0.1:{port}"],
        "hosts": {"127.0.0.1": {"connections": CONNECTIONS, "delay_s": 0}},
    }
    images = {"size": "longest_side", "pixels": PIXELS}
    found = fetch_urls(urls, folder, cpu=CLIENT_CPU, fetch=fetch, images=images)
    sizes = {row["url"]: (row["width"], row["height"]) for row in found.rows if row["status"] == "ok"}
    return Measured(found.seconds, found.peak_mib, sizes)


def img2dataset(urls: list[str], folder: Path, threads: int) -> Measured:
    folder.mkdir()
    listed, script, out = folder / "urls.txt", folder / "run.py", folder / "out"
    listed.write_text("\n".join(urls))
    script.write_text(PEER.format(cpu={CLIENT_CPU}, urls=listed, out=out, threads=threads, pixels=PIXELS))
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )
    if done.returncode:
        sys.exit(f"img2dataset failed, so there is nothing to compare with:\n{done.stderr[-2000:]}")
    peak_mib = float(done.stdout.rpartition("peak ")[2])
    stats = [json.loads(path.read_text()) for path in out.glob("*_stats.json")]
    return Measured(sum(shard["duration"] for shard in stats), peak_mib, _kept(out))


def _kept(out: Path) -> dict[str, tuple[int, int]]:
    sizes = {}
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    file = tar.extractfile(member)
                    assert file is not None
                    row = json.load(file)
                    sizes[row["url"]] = (row["width"], row["height"])
    return sizes


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
    for name, found in (("ours", mine), ("img2dataset", theirs)):
        missing = set(urls) - set(found.sizes)
        if missing:
            sys.exit(f"{name} did not get {len(missing)} pictures, such as {min(missing)}: no fair comparison")
    other = {url: (mine.sizes[url], theirs.sizes[url]) for url in urls if mine.sizes[url] != theirs.sizes[url]}
    if other:
        sys.exit(f"{len(other)} pictures have other sizes, such as {min(other.items())}: no fair comparison")


def measure(rounds: int, urls: list[str], port: int, work: Path) -> tuple[int, list[tuple[Measured, Measured]]]:
    """img2dataset's best number of threads, and the rounds: ours and its."""
    by_threads = {number: img2dataset(urls, work / f"threads-{number}", number).speed for number in THREADS}
    threads = max(by_threads, key=lambda number: by_threads[number])
    found = []
    for number in range(rounds):
        theirs = img2dataset(urls, work / f"theirs-{number}", threads)
        mine = ours(urls, work / f"ours-{number}", port)
        check(mine, theirs, urls)
        found.append((mine, theirs))
        print(f"round {number + 1}: ours {mine.speed:.0f}, img2dataset {theirs.speed:.0f} images/s", flush=True)
    print("img2dataset by threads:", ", ".join(f"{n}: {speed:.0f} images/s" for n, speed in by_threads.items()))
    return threads, found


def show(mix: Mix, threads: int, rounds: list[tuple[Measured, Measured]]) -> dict[str, float]:
    """Print the table; give the figures."""
    print(f"{mix}, to {PIXELS} pixels on the longer side\n{'':28s}{'images/s':>10s}{'peak MiB':>10s}")
    for name, runs in (("fetch", [a for a, _ in rounds]), (f"img2dataset, {threads} threads", [b for _, b in rounds])):
        speed, peak = statistics.median(run.speed for run in runs), max(run.peak_mib for run in runs)
        print(f"{name:28s}{speed:10.0f}{peak:10.0f}")
    return {
        "ratio_to_img2dataset": round(statistics.median(mine.speed / theirs.speed for mine, theirs in rounds), 3),
        "images_per_second": round(statistics.median(mine.speed for mine, _ in rounds), 1),
        "peak_mib": round(max(mine.peak_mib for mine, _ in rounds)),
        "img2dataset_peak_mib": round(max(theirs.peak_mib for _, theirs in rounds)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--data", type=Path, default=DATA, help="the shared folder of data")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data} is not there, so there are no pictures to fetch; name the folder with --data")
    if os.cpu_count() == 1:
        sys.exit("this machine has one CPU, which the server would share; two are needed")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        mix = write_pictures(options.data, work / "pictures", options.pictures)
        with on_cpu(SERVER_CPU), nginx(work / "pictures", work) as port:
            urls = [f"http://127.0.0.1:{port}/{path.name}" for path in sorted((work / "pictures").iterdir())]
            threads, rounds = measure(options.rounds, urls, port, work)
    figures = show(mix, threads, rounds)
    machine = f"{platform.machine()}, Python {platform.python_version()}, one CPU for the client"
    print(
        json.dumps(
            {"bench": "fetch", "date": datetime.now(UTC).date().isoformat(), "machine": machine, "figures": figures}
        )
    )


if __name__ == "__main__":
    main()
