"""The stage `fetch` over some URLs, as one part in a process of its own: its time, its memory, what it finds.

    python -m benchmarks.web.part < job.json

The waves of redirects to other hosts are worked off one after the other here, without Ray; all else is the stage's.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.fetch import stage as fetch
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.recipe import parse_recipe
from m3w.pipeline.tables import REQUEST_SCHEMA

REDIRECTED = "redirected"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What became of the URLs."""

    rows: list[Row]
    """Of the index, a row for each URL."""
    seconds: float
    """That the stage took, without the process's start."""
    peak_mib: float
    counters: Counter[str]


def fetch_urls(urls: Iterable[str], folder: Path, *, cpu: int | None = None, **sections: Any) -> Fetched:
    """Fetch `urls` with the recipe's `sections` into a run at `folder`, in a new process, pinned to `cpu` if given."""
    job = {"urls": list(urls), "folder": str(folder), "sections": sections, "cpu": cpu}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.web.part"],
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    found = json.loads(done.stdout)
    files = sorted((folder / "images/index").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist() if row["status"] != REDIRECTED]
    return Fetched(rows=rows, seconds=found["seconds"], peak_mib=found["peak_mib"], counters=Counter(found["counters"]))


def work(urls: list[str], folder: str, sections: dict[str, Any]) -> tuple[float, Counter[str]]:
    """Seconds that the stage took, and what it counted."""
    recipe = parse_recipe({"crawl": {"paths": ["-"]}, **sections}, "-")
    run = Run.create(folder)
    nothing = dict.fromkeys(REQUEST_SCHEMA.names)
    requests: list[Row] = [{**nothing, "url": url, "location": url, "hops": 0, "parts": []} for url in urls]
    counters: Counter[str] = Counter()
    seconds, wave = 0.0, 0
    while requests:
        name = f"00000-{wave:03d}"
        path = Path(folder, f"images/requests/{name}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(requests, schema=REQUEST_SCHEMA), path)
        part = Part(name=name, inputs=[], work=_work(name))
        started = time.perf_counter()
        attempt = Attempt(run, "fetch", name)
        fetch.process(attempt, part, recipe)
        attempt.commit("-", [], 0.0)
        seconds += time.perf_counter() - started
        counters.update(attempt.counters)
        rows = pq.read_table(f"{folder}/images/index/{name}.parquet").to_pylist()
        requests = [
            {**nothing, "url": row["url"], "location": row["final_url"], "hops": row["hops"], "parts": []}
            for row in rows
            if row["status"] == REDIRECTED
        ]
        wave += 1
    return seconds, counters


def _work(name: str) -> dict[str, Any]:
    return {
        "requests": f"images/requests/{name}.parquet",
        "earlier": "images/earlier/00000.parquet",
        "settled": [],
        "now": datetime.now(UTC).isoformat(),
    }


def _warm_up(sections: dict[str, Any]) -> None:
    """Loads what the first picture of a process loads (Pillow's formats, cv2): part of the process's start."""
    file = io.BytesIO()
    Image.effect_noise((1000, 1000), 50).convert("RGB").save(file, "JPEG")
    recipe = parse_recipe({"crawl": {"paths": ["-"]}, **sections}, "-")
    prepare(file.getvalue(), recipe.images, max_pixels=10**7)


def main() -> None:
    job = json.load(sys.stdin)
    if job["cpu"] is not None:
        os.sched_setaffinity(0, {job["cpu"]})
    _warm_up(job["sections"])
    seconds, counters = work(job["urls"], job["folder"], job["sections"])
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent held at the fork
    peak_mib = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib, "counters": counters}))


if __name__ == "__main__":
    main()
