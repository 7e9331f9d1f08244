"""Small runs for the fault tests: a crawl, a recipe, a driver in a separate process, and what is compared in the end."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from m3w.pipeline.demo_crawl import write_demo_crawl
from tests.faults.processes import descendants, end_all

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 900.0


def crawl(folder: Path, *, seeds: int, pages: int) -> Path:
    """Write four WARC files for each seed."""
    for seed in range(seeds):
        for path in write_demo_crawl(folder / "new", seed=seed, pages=pages):
            path.rename(folder / f"{seed:02}-{path.name}")
    return folder


def write_recipe(path: Path, crawl: Path, **sections: Any) -> Path:
    values = {"crawl": {"paths": [f"{crawl}/*.warc.gz"]}, "dataset": {"shard_mib": 1}, **sections}
    path.write_text(yaml.safe_dump(values))
    return path


def dataset_hashes(run: Path) -> dict[str, str]:
    """Of every file of the dataset."""
    files = sorted(path for path in (run / "dataset").rglob("*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def document_ids(run: Path) -> Counter[str]:
    """How often each document is in the dataset."""
    tables = (pq.read_table(path, columns=["document_id"]) for path in (run / "dataset/documents").glob("*.parquet"))
    return Counter(document for table in tables for document in table["document_id"].to_pylist())


def committed(run: Path) -> dict[str, int]:
    """Each part's ledger entry and when it was written."""
    return {str(path.relative_to(run)): path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}


def attempts(run: Path) -> int:
    """Attempts beyond the first, of all parts that are committed."""
    return sum(
        int(re.search(r'"attempt": (\d+)', path.read_text())[1]) - 1 for path in (run / "ledger").rglob("*.json")
    )  # type: ignore[index]


class Driver:
    """`m3w build` in a separate process; the processes that it started end with the `with` block."""

    def __init__(self, recipe: Path, run: Path, address: str | None = None, **environment: str):
        command = [sys.executable, "-m", "m3w", "build", str(recipe), "--run", str(run)]
        command += ["--address", address] if address else []
        known = os.environ.get("PYTHONPATH")
        paths = os.pathsep.join([str(REPOSITORY), *([known] if known else [])])
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": paths, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait(self) -> tuple[int, str]:
        """Wait for the build; its exit status and output."""
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output

    def kill(self) -> None:
        """SIGKILL, then wait for the processes that it had started: its own Ray ends with it."""
        if self.running:
            children = descendants(self.process.pid)
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            end_all(children)
        if self.process.stdout:
            self.process.stdout.close()


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
