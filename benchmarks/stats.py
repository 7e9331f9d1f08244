"""`m3w stats` over a synthetic dataset: seconds and memory of the command, as a user runs it.

    python -m benchmarks.stats [--documents N] [--folder FOLDER]

The dataset (`benchmarks.synthetic_dataset`) is written first and kept for later runs. `seconds` is the wall-clock time
of the command on at most two cores, `cpu_seconds` its CPU time (the two differ on a busy machine), `peak_mib` its peak
resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.command import print_figures
from benchmarks.synthetic_dataset import write_dataset

CORES = 2
ROOT = Path(__file__).parents[1]
MEASURED = """
import atexit, resource, sys
from m3w.cli.main import main

@atexit.register
def say():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)

main()
"""


def measure(dataset: Path) -> tuple[dict[str, float], str]:
    """Figures and output of `m3w stats DATASET --json`."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    command = [sys.executable, "-c", MEASURED, "stats", str(dataset), "--json"]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    seconds = time.perf_counter() - started
    peak_kib, cpu_seconds = map(float, done.stderr.split()[-2:])
    figures = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), "peak_mib": round(peak_kib / 1024)}
    return figures, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "m3w-bench-stats")
    options = parser.parse_args()
    dataset = options.folder / f"dataset-{options.documents}"
    if not (dataset / "dataset.json").exists():
        write_dataset(dataset, options.documents)
    figures, output = measure(dataset)
    statistics = json.loads(output)
    split = statistics["splits"]["train"]
    shown = {
        "documents": split["documents"],
        "images": split["images"],
        "text_nodes": statistics["distributions"]["text_nodes_per_document"]["mean"],
        "hosts": statistics["frequencies"]["hosts"]["distinct"],
        "size_mib": round(split["document_bytes"] / 2**20),
    }
    print(f"{shown['documents']:,} documents ({shown['size_mib']:,} MiB), {shown['images']:,} images")
    print(
        f"m3w stats: {figures['seconds']} s on {CORES} cores ({figures['cpu_seconds']} s of work), "
        f"peak {figures['peak_mib']} MiB"
    )
    print_figures("stats", {**figures, **shown}, f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
