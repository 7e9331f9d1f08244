"""A small build with its crawl and its run on an S3 store that refuses and truncates requests.

    python -m benchmarks.s3 [--refuse-every K] [--break-every K] [--files N]

The demo crawl is built three times from an S3 server on this machine (moto): to a local folder, to the server, and to
the server while it answers every K-th request with 503 SlowDown and ends every K-th large answer after a third of its
bytes. The datasets must be equal, byte for byte; the seconds show what the failures cost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import fsspec

from benchmarks.s3_store import SlowStore, slow_store
from m3w.pipeline.demo_crawl import write_demo_crawl


def upload_crawl(fs: fsspec.AbstractFileSystem, folder: Path, files: int | None = None) -> None:
    """The demo crawl, or its first `files` files, as `s3://crawl/`, with a listing of them as Common Crawl has it."""
    write_demo_crawl(folder)
    paths = sorted(folder.glob("*.warc.gz"))[:files]
    fs.mkdir("crawl")
    fs.mkdir("runs")
    for path in paths:
        fs.pipe_file(f"crawl/{path.name}", path.read_bytes())
    fs.pipe_file("crawl/warc.paths", "".join(f"{path.name}\n" for path in paths).encode())


def recipe(folder: Path) -> Path:
    """The recipe of all builds; the pauses are those of a store that is near."""
    path = folder / "recipe.yaml"
    crawl = "{paths: [s3://crawl/warc.paths], prefix: s3://crawl/, part_mib: 1, storage: {pause_s: 0.05}}"
    path.write_text(f"crawl: {crawl}\ndataset: {{shard_mib: 1}}\n")
    return path


def build(recipe: Path, run: str, store: SlowStore) -> float:
    """Seconds of `m3w build`; the store's address and credentials are in its environment alone."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "m3w", "build", str(recipe), "--run", run, "--address", "local"]
    done = subprocess.run(command, env={**os.environ, **store.environment}, capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(f"m3w build ended with status {done.returncode}: {done.stderr[-2000:]}")
    return time.perf_counter() - started


def hashes(fs: fsspec.AbstractFileSystem, run: str) -> dict[str, str]:
    """SHA-256 of each file of a run's dataset."""
    root = f"{run}/dataset"
    return {name.rpartition(root)[2]: hashlib.sha256(fs.cat_file(name)).hexdigest() for name in sorted(fs.find(root))}


def s3(store: SlowStore) -> fsspec.AbstractFileSystem:
    os.environ.update(store.environment)
    return fsspec.filesystem("s3", endpoint_url=store.url, use_listings_cache=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refuse-every", type=int, default=10)
    parser.add_argument("--break-every", type=int, default=3)
    parser.add_argument("--files", type=int, default=None, help="of the demo crawl; all unless told")
    options = parser.parse_args()
    with slow_store() as store, tempfile.TemporaryDirectory() as folder:
        fs, path = s3(store), recipe(Path(folder))
        upload_crawl(fs, Path(folder) / "crawl", options.files)
        local = build(path, f"{folder}/run", store)
        expected = hashes(fsspec.filesystem("file"), f"{folder}/run")
        store.requests.clear()
        calm = build(path, "s3://runs/calm", store)
        same_calm, requests = hashes(fs, "runs/calm") == expected, store.requests.total()
        store.refuse_every, store.break_every = options.refuse_every, options.break_every
        store.requests.clear()
        rough = build(path, "s3://runs/rough", store)
        store.refuse_every = 0
        same_rough = hashes(fs, "runs/rough") == expected
        print(f"{'run on':28s}{'seconds':>9s}{'requests':>10s}{'503':>7s}{'broken off':>12s}  dataset")
        print(f"{'a local folder':28s}{local:9.1f}{'':>10s}{'':>7s}{'':>12s}  {len(expected)} files")
        print(f"{'S3':28s}{calm:9.1f}{requests:10d}{0:7d}{0:12d}  {'equal' if same_calm else 'DIFFERENT'}")
        trouble = f"S3, 503 to every {options.refuse_every}th"
        counts = f"{store.requests.total():10d}{store.refused:7d}{store.broken:12d}"
        print(f"{trouble:28s}{rough:9.1f}{counts}  {'equal' if same_rough else 'DIFFERENT'}")
        figures = {
            "equal_datasets": int(same_calm and same_rough),
            "refused": store.refused,
            "broken_off": store.broken,
            "requests": store.requests.total(),
            "time_ratio_to_calm": round(rough / calm, 3),
        }
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    line = {"bench": "s3", "date": datetime.now(UTC).date().isoformat(), "machine": machine, "figures": figures}
    print(json.dumps(line))
    sys.exit(0 if figures["equal_datasets"] else 1)


if __name__ == "__main__":
    main()
