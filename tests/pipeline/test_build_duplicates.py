"""A whole build with every switch of `duplicates` on: the same bytes on Ray Data and in one task, with one worker and
with three, in whatever order the files of the crawl are given.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.demo_crawl import write_demo_crawl

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SWITCHES = {
    "same_text": True,
    "same_images": True,
    "near_text": True,
    "minhash": {"ngram": 4, "bands": 20, "rows": 4},
    "paragraph_documents": 1,
    "image_url_documents": 3,
    "image_documents": 1,
    "image_distance": 6,
    "image_excess": "keep_first",
    "repeated_images": True,
    "repeated_distance": 4,
}
BUILD = """
import json, sys
import ray
from m3w.pipeline.engine import group_by as grouping
from m3w.pipeline.build import build
from m3w.pipeline.recipe import parse_recipe

values, run, workers, limit = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
grouping.IN_ONE_TASK_BYTES = limit
ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
print(json.dumps(build(parse_recipe(values, "-"), run).counts))
"""


def built(paths: list[str], run: Path, *, workers: int, in_one_task: bool) -> tuple[dict[str, str], Any]:
    """Hashes of the dataset's shards, and the counters."""
    values = {"crawl": {"paths": paths}, "dataset": {"shard_mib": 1}, "duplicates": SWITCHES}
    arguments = [json.dumps(values), str(run), str(workers), str(2**30 if in_one_task else 0)]
    done = subprocess.run([sys.executable, "-c", BUILD, *arguments], capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    files = sorted(path for path in (run / "dataset").rglob("*-of-*") if path.is_file())
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashes, json.loads(done.stdout.splitlines()[-1])


def test_the_engine_its_workers_and_the_order_of_files_change_no_byte(tmp_path: Path) -> None:
    write_demo_crawl(tmp_path / "crawl")
    paths = sorted(str(path) for path in (tmp_path / "crawl").iterdir())
    known, counts = built(paths, tmp_path / "one", workers=3, in_one_task=True)
    again, counts_again = built(paths[::-1], tmp_path / "two", workers=1, in_one_task=False)
    assert known and again == known and counts_again == counts
    dropped = {**counts["unique"], **counts["join"]}
    assert dropped["documents_dropped.near_duplicate"] and dropped["text_nodes_dropped.repeated_on_site"]
    assert dropped["image_references_dropped.frequent_image"]
