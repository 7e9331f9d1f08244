"""Every call of a small run to its store fails once, before and after it happened; and the store is full from every call on.

    python -m tests.faults.store_sweep FOLDER EVERY [FIRST]

Of the calls every EVERY-th is tried, from the FIRST on. One process drives all runs on one Ray; the last line of what it prints is JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.faults.faulty_store import FOLDER, PROTOCOL, announce, calls, plan, register
from tests.faults.runs import attempts, crawl, dataset_hashes, document_ids

SETTINGS = {"pause_s": 0, "attempts": 3}


class Sweep:
    """Runs with one fault each, compared with an undisturbed run."""

    def __init__(self, folder: Path):
        self._folder, self._store = folder, folder / "store"
        files = sorted(crawl(folder / "crawl", seeds=1, pages=24).iterdir())
        self._values = {"crawl": {"paths": [str(files[0])]}, "dataset": {"shard_mib": 1}, "execution": SETTINGS}
        plan(self._store)
        self.build("unbroken")
        self.calls = calls(self._store)
        self._hashes, self._ids = dataset_hashes(folder / "unbroken"), document_ids(folder / "unbroken")

    def build(self, name: str) -> None:
        from m3w.pipeline.build import build
        from m3w.pipeline.engine.build_progress import Progress
        from m3w.pipeline.recipe import parse_recipe

        with Path(os.devnull).open("w") as nowhere:
            progress = Progress(Console(file=nowhere))
            build(parse_recipe(self._values, "-"), f"{PROTOCOL}://{self._folder}/{name}", progress=progress)

    def broken(self, **what: Any) -> dict[str, Any]:
        """A run with this fault, resumed if the fault ended it; its result."""
        run, builds, ended_by = self._folder / "run", 1, None
        shutil.rmtree(run, ignore_errors=True)
        plan(self._store, **what)
        try:
            self.build("run")
        except Exception as error:
            ended_by = f"{type(error).__name__}: {error}"[:200]
            plan(self._store)
            builds += 1
            self.build("run")
        wrong = []
        if dataset_hashes(run) != self._hashes:
            wrong.append("other bytes")
        if document_ids(run) != self._ids:
            wrong.append("lost or doubled documents")
        if left := [name for name in ("tmp", "drivers") if any((run / name).glob("*.[!t]*"))]:
            wrong.append(f"left behind: {left}")
        return {**what, "builds": builds, "redone": attempts(run), "ended_by": ended_by, "wrong": wrong}


def main(folder: Path, every: int, first: int = 1) -> None:
    os.environ[FOLDER] = str(folder / "store")
    announce(folder / "announced")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder / "announced"), os.environ.get("PYTHONPATH", "")])
    register()
    sweep = Sweep(folder)
    numbers = range(first, sweep.calls + 1, every)
    results = [sweep.broken(fail=k, after=after) for k in numbers for after in (False, True)]
    results += [sweep.broken(full=k) for k in numbers[:: max(1, len(numbers) // 20)]]
    print(json.dumps({"calls": sweep.calls, "results": results}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
