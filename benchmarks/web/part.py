"""The stage `fetch` over some URLs, as one part in its own process: time, memory and results.

    python -m benchmarks.web.part < job.json

The rounds of redirects to other hosts run in that process, too, without Ray; everything else is the stage's code.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from benchmarks.inline import InlineRun
from m3w.pipeline.engine.inputs import sum_counters
from m3w.pipeline.fetch.host import REDIRECTED
from m3w.pipeline.fetch.stage import fetch
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.recipe import parse_recipe
from m3w.pipeline.tables import INDEX, REQUEST_SCHEMA, REQUESTS

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The results of the URLs."""

    rows: list[Row]
    """Rows of the index, one per URL."""
    seconds: float
    """Seconds of the stage, without the start of the process."""
    peak_mib: float
    counters: Counter[str]


def fetch_urls(urls: Iterable[str], folder: Path, *, cpu: int | None = None, **sections: Any) -> Fetched:
    """Fetch `urls` with the recipe's `sections` into a run in `folder`, in a new process, pinned to `cpu` if given."""
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
    files = sorted((folder / "run" / INDEX.folder).glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist() if row["status"] != REDIRECTED]
    return Fetched(rows=rows, seconds=found["seconds"], peak_mib=found["peak_mib"], counters=Counter(found["counters"]))


def work(urls: list[str], folder: str, sections: dict[str, Any]) -> tuple[float, Counter[str]]:
    """Seconds and counters of the stage's parts."""
    inline = InlineRun(Path(folder))
    nothing = dict.fromkeys(REQUEST_SCHEMA.names)
    rows = [{**nothing, "url": url, "location": url, "hops": 0, "parts": []} for url in urls]
    inline.put(REQUESTS, rows, "00000-000")
    entries = inline.stage(fetch, inline.recipe(**sections)).values()
    return sum(entry.seconds for entry in entries), sum_counters(entries)


def _warm_up(sections: dict[str, Any]) -> None:
    """Load what the first picture of a process loads (Pillow's formats, cv2); this belongs to the process's start."""
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
    status = Path("/proc/self/status").read_text()  # getrusage would include the parent's memory at the fork
    peak_mib = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib, "counters": counters}))


if __name__ == "__main__":
    main()
