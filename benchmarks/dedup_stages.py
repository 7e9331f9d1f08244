"""The stages of duplicates over synthetic documents in a run of its own: `python -m benchmarks.dedup_stages N RUN`.

Prints one line of JSON: seconds by stage, and the peak of this process's resident set, which is the driver.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import ray

from benchmarks.synthetic_documents import document
from pipeline import build, grouping
from pipeline.attempt import Attempt
from pipeline.dataset.publish import sum_counters
from pipeline.executor import Executor, Part, Stage
from pipeline.parquet import RowWriter
from pipeline.progress import Progress
from pipeline.recipe import Recipe, parse_recipe
from pipeline.run import Run
from schemas.document import DOCUMENT_SCHEMA, DOCUMENT_SIGNALS

DOCUMENTS_A_PART = 5_000
SWITCHES = {
    "same_text": True,
    "same_images": True,
    "near_text": True,
    "paragraph_documents": 2,
    "image_url_documents": 10,
    "repeated_images": True,
}


def write(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """A part of documents as `filter` leaves them."""
    signals = dict.fromkeys(DOCUMENT_SIGNALS, 1.0)
    with (
        attempt.create(f"documents/kept/{part.name}.parquet") as file,
        RowWriter(file, DOCUMENT_SCHEMA) as kept,
    ):
        for number in range(part.work["first"], part.work["end"]):
            kept.write({**document(number).row(), "signals": signals})
            attempt.counters["documents"] += 1


def parts(count: int) -> list[Part]:
    starts = range(0, count, DOCUMENTS_A_PART)
    return [
        Part(
            name=f"part-{start // DOCUMENTS_A_PART:05d}",
            inputs=[],
            work={"first": start, "end": min(count, start + DOCUMENTS_A_PART)},
        )
        for start in starts
    ]


def main(count: int, path: str) -> None:
    grouping.IN_ONE_TASK_BYTES = 0
    recipe = parse_recipe({"crawl": {"paths": ["-"]}, "duplicates": SWITCHES}, "-")
    work = build._Build(recipe, Executor(Run.create(path), recipe, Progress()))
    kept = work.executor.work_off(Stage(name="filter", fingerprint="-", process=write), parts(count))
    work.counts["filter"] = sum_counters(kept)
    started = time.perf_counter()
    work._unique(kept, {})
    figures: dict[str, float] = {"seconds": time.perf_counter() - started}
    for stage in ("fingerprint", "deduplicate", "repeated", "unique"):
        figures[stage] = sum(entry.seconds for entry in work.executor.run.entries(stage).values())
    counters = work.counts["unique"]
    figures["dropped"] = sum(n for name, n in counters.items() if name.startswith("documents_dropped."))
    figures["text_nodes"] = counters.get("text_nodes_dropped.repeated_on_site", 0)
    figures["driver_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ray.shutdown()
    print(counters, file=sys.stderr)
    print(json.dumps({name: float(np.round(value, 3)) for name, value in figures.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
