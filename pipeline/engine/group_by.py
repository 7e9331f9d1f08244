"""Grouping stages: the rows of all parts, grouped by a key and written as one Parquet file (or a few) per group.

`m3w.pipeline.engine.shuffle` does the grouping. Memory on the driver: the names and files of the parts, and a line for
each file written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.ledger import Output
from m3w.pipeline.engine.run import Run, RunReference
from m3w.pipeline.engine.shuffle import InMemory, OnRayData
from m3w.pipeline.engine.stage import ALL, GroupStage, Part, Shuffle
from m3w.pipeline.engine.stage_io import PartFiles

IN_ONE_TASK_BYTES = 32 * 2**20
"""Input up to this size is grouped in one task; in memory the rows take about ten times as much."""
PARTS_A_TASK = 16
_WRITTEN = pa.schema([("output", pa.string()), ("counters", pa.map_(pa.string(), pa.int64()))])


def written_files(results: pa.Table) -> list[tuple[Output, dict[str, int]]]:
    """The published files that a grouping's tasks report, with their counters, ordered by name."""
    written = [(Output.model_validate_json(row["output"]), dict(row["counters"])) for row in results.to_pylist()]
    return sorted(written, key=lambda output: output[0].path)


@dataclass(frozen=True)
class Grouping:
    """One execution of a grouping stage on Ray."""

    run: RunReference
    stage: GroupStage
    shuffle: Shuffle
    folder: str
    """The folder of the run for the groups' files."""

    def groups(self, parts: list[Part], size: int, execution: Execution) -> list[tuple[Output, dict[str, int]]]:
        """The published files of all groups with their counters, ordered by name; `size` is the input's, in bytes.

        Raises what Ray raises.
        """
        if not parts:
            return []
        needs = execution.of(self.stage.name)
        if size <= IN_ONE_TASK_BYTES:
            task = _in_one_task.options(
                name=f"{self.stage.name}/{ALL}",
                num_cpus=needs.cpus,
                memory=needs.memory_bytes,
                max_retries=execution.deaths,
                retry_exceptions=[OSError],
            )
            results = ray.get(task.remote(self, parts))
        else:
            items = [{"name": part.name, "files": json.dumps(part.files)} for part in parts]
            rows = OnRayData.of(items, self.map_items, items_a_task=PARTS_A_TASK, needs=needs)
            results = self.shuffle.steps(rows).by_group(self.write).table()
        return written_files(results)

    def in_memory(self, parts: list[Part]) -> pa.Table:
        """Group small input in this process; the result is for `written_files`."""
        rows = InMemory(pa.concat_tables(map(self.map, parts)))
        results = self.shuffle.steps(rows).by_group(self.write).table()
        return results if results.num_rows else _WRITTEN.empty_table()

    def map(self, part: Part) -> pa.Table:
        """The rows of one part."""
        return self.shuffle.map(PartFiles(Run(*self.run), self.stage, part))

    def map_items(self, items: pa.Table) -> pa.Table:
        """The rows of several parts; `items` has their names and files."""
        parts = [Part(name=row["name"], inputs=[], files=json.loads(row["files"])) for row in items.to_pylist()]
        return pa.concat_tables(map(self.map, parts))

    def write(self, group: pa.Table) -> pa.Table:
        """Write and publish a group's rows; a row with path, hash and counters for each file."""
        table, counters = self.shuffle.reduce(group)
        name = f"{self.folder}/{group['group'][0].as_py()}"
        pieces = self.shuffle.split(table)
        outputs = [self._write(f"{name}{suffix}{self.stage.table.suffix}", piece) for suffix, piece in pieces]
        counts = [list(counters.items()), *([] for _ in outputs[1:])]
        return pa.table({"output": [o.model_dump_json() for o in outputs], "counters": counts}, schema=_WRITTEN)

    def _write(self, path: str, table: pa.Table) -> Output:
        attempt = Attempt(Run(*self.run), "group", path.replace("/", "-"))
        with attempt.create(path) as file:
            pq.write_table(table, file, compression="zstd")
            file.rows = table.num_rows
        return attempt.publish()[0]


@ray.remote  # type: ignore[untyped-decorator]
def _in_one_task(grouping: Grouping, parts: list[Part]) -> pa.Table:
    return grouping.in_memory(parts)
