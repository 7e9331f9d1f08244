"""The cost of isolating the parser: the stage `extract` without isolation, under limits, and in a separate process.

    python -m benchmarks.isolation [--rounds N] [--pages N]

On the demo crawl, in one process; each round runs all three one after the other, so that a busy machine slows all of
them. A ratio compares with no isolation and is the median over rounds; every first attempt runs `watched`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.engine.attempt import Attempt, Isolation
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import settings_of
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.extract.stage import ExtractSettings, extract
from m3w.pipeline.recipe import Recipe, parse_recipe


def seconds(isolation: Isolation, paths: list[Path], recipe: Recipe, run: Run) -> float:
    """Processor time of this process; for pages in a separate process, wall-clock time."""
    clock = time.perf_counter if isolation is Isolation.APART else time.process_time
    settings = settings_of(ExtractSettings, recipe)
    started = clock()
    for path in paths:
        part = Part(name=path.stem, inputs=[], params={"path": str(path)})
        attempt = Attempt(run, "extract", part.name)
        extract.process(StageIO(attempt, extract, part, isolation, recipe.drops.keep_per_reason), settings)
        attempt.discard()
    return clock() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pages", type=int, default=264)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_demo_crawl(Path(folder) / "crawl", pages=options.pages)
        recipe = parse_recipe({"crawl": {"paths": [str(path) for path in paths]}}, "-")
        run = Run.create(f"{folder}/run")
        rounds = [
            {isolation: seconds(isolation, paths, recipe, run) for isolation in Isolation}
            for _ in range(options.rounds + 1)
        ][1:]
    figures = {}
    for isolation in Isolation:
        ratio = statistics.median(taken[Isolation.NONE] / taken[isolation] for taken in rounds)
        best = min(taken[isolation] for taken in rounds)
        print(f"{isolation.value:<8} {best:6.2f} s at best, {ratio:.3f} of the speed without isolation")
        figures[f"ratio_{isolation.value}"] = round(ratio, 3)
    machine = f"{platform.machine()}, Python {platform.python_version()}, one process"
    print(
        json.dumps(
            {"bench": "isolation", "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "figures": figures}
        )
    )


if __name__ == "__main__":
    main()
