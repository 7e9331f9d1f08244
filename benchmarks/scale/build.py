"""A whole build of a synthetic crawl on a number of cores, without a network.

    python -m benchmarks.scale.build CRAWL.paths RUN CORES

The recipe is the paper's and also removes near-duplicate texts, equal texts and repeated paragraphs. Prints one line of
JSON: seconds by stage (clock and work), the driver's memory in MiB after each stage, and counters.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import defaultdict
from pathlib import Path

import ray

from benchmarks.scale.meter import process_mib
from m3w.pipeline.build import build
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry
from m3w.pipeline.recipe import load_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "m3w.yaml"
SWITCHES = ("same_text=true", "near_text=true", "paragraph_documents=10", "image_url_documents=10")


class Clock(Progress):
    """Seconds by stage, and the sums over the entries of the parts."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = defaultdict(float)
        self.work: dict[str, float] = defaultdict(float)
        self.parts: dict[str, int] = defaultdict(int)
        self.driver_mib: dict[str, int] = {}
        self._began = 0.0

    def begin(self, stage: str, *, total: int, done: int, units: tuple[str, ...] = ()) -> None:
        self._began = time.perf_counter()
        super().begin(stage, total=total, done=done, units=units)

    def advance(self, result: LedgerEntry | FailedPart) -> None:
        super().advance(result)
        if isinstance(result, LedgerEntry):
            self.work[result.stage] += result.seconds
            self.parts[result.stage] += 1

    def end(self, stage: str) -> None:
        super().end(stage)
        self.seconds[stage] += time.perf_counter() - self._began
        self.driver_mib[stage] = round(process_mib("VmRSS"))


def main(crawl: str, run: str, cores: int) -> None:
    # "local": never a cluster that another program has started on this machine
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    changes = [f"crawl.paths=['{crawl}']", *(f"duplicates.{switch}" for switch in SWITCHES)]
    clock, started = Clock(), time.perf_counter()
    manifest = build(load_recipe(str(RECIPE), changes), run, progress=clock)
    found = {
        "seconds": round(time.perf_counter() - started, 2),
        "stages": {name: round(value, 2) for name, value in clock.seconds.items()},
        "work": {name: round(value, 2) for name, value in clock.work.items()},
        "parts": clock.parts,
        "driver_mib": clock.driver_mib,
        "counts": manifest.counts,
    }
    ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
