"""The stages that find copies, over synthetic documents.

    python -m benchmarks.dedup_stages DOCUMENTS RUN [OBJECT_STORE_MIB]

Prints one line of JSON: seconds by stage, what was found, MiB that Ray spilled to disk, and the peak of this process's
resident set: the driver's.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray._private.internal_api import memory_summary

from benchmarks.synthetic_documents import row
from m3w.pipeline.dedup import deduplicate, repeated
from m3w.pipeline.dedup import document_hashes as fingerprint
from m3w.pipeline.engine import group_by as grouping
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part, Stage
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.schemas.document import DOCUMENT_SCHEMA, DOCUMENT_SIGNALS

DOCUMENTS_A_PART = 5_000
SWITCHES = {
    "same_text": True,
    "same_images": True,
    "near_text": True,
    "paragraph_documents": 2,
    "image_url_documents": 10,
}


def write(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """A part of documents as `filter` leaves them."""
    signals = dict.fromkeys(DOCUMENT_SIGNALS, 1.0)
    rows = [row(number, signals) for number in range(part.work["first"], part.work["end"])]
    with attempt.create(f"documents/kept/{part.name}.parquet") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENT_SCHEMA), file, compression="zstd")
        file.rows = len(rows)


def parts(count: int) -> list[Part]:
    return [
        Part(
            name=f"part-{start // DOCUMENTS_A_PART:05d}",
            inputs=[],
            work={"first": start, "end": min(count, start + DOCUMENTS_A_PART)},
        )
        for start in range(0, count, DOCUMENTS_A_PART)
    ]


def spilled_mib() -> float:
    found = re.search(r"Spilled (\d+) MiB", memory_summary(stats_only=True))
    return float(found[1]) if found else 0.0


def main(count: int, path: str, object_store_mib: int | None = None) -> None:
    grouping.IN_ONE_TASK_BYTES = 0
    if object_store_mib is not None:
        ray.init(object_store_memory=object_store_mib * 2**20, include_dashboard=False, log_to_driver=False)
    recipe = parse_recipe({"crawl": {"paths": ["-"]}, "duplicates": SWITCHES}, "-")
    executor, switches = Executor(Run.create(path), recipe, Progress()), recipe.duplicates
    kept = executor.work_off(Stage(name="filter", fingerprint="-", process=write), parts(count))
    times = [time.perf_counter()]
    prints = executor.work_off(Stage(name="fingerprint", fingerprint="-", process=fingerprint.process), parts(count))
    times.append(time.perf_counter())
    copies = grouping.work_off(executor, deduplicate.grouping("-", switches, sorted(kept), count), prints.values())
    times.append(time.perf_counter())
    keys = grouping.work_off(executor, repeated.grouping("-", switches, count), kept.values())
    times.append(time.perf_counter())
    figures: dict[str, float] = {
        name: end - start
        for name, start, end in zip(("fingerprint", "deduplicate", "repeated"), times, times[1:], strict=False)
    }
    figures["seconds"] = times[-1] - times[0]
    figures["copies"] = copies.counters["copies"]
    figures["keys"] = sum(output.rows for output in keys.outputs)
    figures["driver_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["spilled_mib"] = spilled_mib()
    ray.shutdown()
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
