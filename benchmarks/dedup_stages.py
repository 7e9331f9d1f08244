"""Runs the stages that detect copies over synthetic documents.

    python -m benchmarks.dedup_stages DOCUMENTS RUN [OBJECT_STORE_MIB]

Prints one line of JSON: seconds by stage, the numbers of copies and repeated keys, MiB that Ray spilled to disk, and
the peak of the resident set of this process, the driver.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time

import pyarrow as pa
import ray
from ray._private.internal_api import memory_summary

from benchmarks.synthetic_documents import row
from m3w.pipeline.dedup.deduplicate import deduplicate
from m3w.pipeline.dedup.document_hashes import document_hashes
from m3w.pipeline.dedup.repeated import repeated
from m3w.pipeline.engine import group_by
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.plan import Plan
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import NoSettings
from m3w.pipeline.engine.stage import Part, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS
from m3w.pipeline.recipe import parse_recipe
from m3w.pipeline.tables import KEPT, REPEATED

DOCUMENTS_A_PART = 5_000
SWITCHES = {
    "same_text": True,
    "same_images": True,
    "near_text": True,
    "paragraph_documents": 2,
    "image_url_documents": 10,
}


class Clock(Progress):
    """Seconds by stage."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def begin(self, stage: str, *, total: int, done: int, units: tuple[str, ...] = ()) -> None:
        self.seconds[stage] = time.perf_counter()
        super().begin(stage, total=total, done=done, units=units)

    def end(self, stage: str) -> None:
        super().end(stage)
        self.seconds[stage] = time.perf_counter() - self.seconds[stage]


@per_part(name="filter", writes=[KEPT])
def write(io: StageIO, settings: NoSettings) -> None:
    """A part of documents as `filter` leaves them."""
    signals = dict.fromkeys(DOCUMENT_SIGNALS, 1.0)
    rows = [row(number, signals) for number in range(io.params["first"], io.params["end"])]
    with io.write(KEPT) as writer:
        writer.write_columns(pa.Table.from_pylist(rows, schema=KEPT.schema))


def parts(count: int) -> list[Part]:
    return [
        Part(
            name=f"part-{start // DOCUMENTS_A_PART:05d}",
            inputs=[],
            params={"first": start, "end": min(count, start + DOCUMENTS_A_PART)},
        )
        for start in range(0, count, DOCUMENTS_A_PART)
    ]


def spilled_mib() -> float:
    match = re.search(r"Spilled (\d+) MiB", memory_summary(ray.get_runtime_context().gcs_address, stats_only=True))
    return float(match[1]) if match else 0.0


def main(count: int, path: str, object_store_mib: int | None = None) -> None:
    group_by.IN_ONE_TASK_BYTES = 0
    if object_store_mib is not None:
        ray.init(object_store_memory=object_store_mib * 2**20, include_dashboard=False, log_to_driver=False)
    recipe = parse_recipe({"crawl": {"paths": ["-"]}, "duplicates": SWITCHES}, "-")
    clock = Clock()
    executor = Executor(Run.create(path), Execution(), clock)
    plan = Plan((write, document_hashes, deduplicate, repeated), recipe)
    inputs, counts = plan.run(executor, {write.name: parts(count)})
    figures: dict[str, float] = {
        stage.name: clock.seconds[stage.name] for stage in (document_hashes, deduplicate, repeated)
    }
    figures["seconds"] = sum(figures.values())
    figures["copies"] = counts["deduplicate"]["copies"]
    figures["keys"] = inputs.rows(REPEATED)
    figures["driver_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["spilled_mib"] = spilled_mib()
    ray.shutdown()
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
