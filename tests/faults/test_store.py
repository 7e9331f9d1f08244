"""A store that fails at every call of a run, before or after it takes effect; a store that is full from some call on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.runs import (
    PATIENCE_S,
    REPOSITORY,
    Driver,
    attempts,
    crawl,
    dataset_hashes,
    document_ids,
    write_recipe,
)
from tests.faults.table import record_row

pytestmark = pytest.mark.ray


def swept(folder: Path, every: int, patience_s: float) -> dict[str, Any]:
    """The results of `tests.faults.store_sweep`."""
    command = [sys.executable, "-m", "tests.faults.store_sweep", str(folder), str(every)]
    paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        timeout=patience_s,
        check=True,
    )
    found: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return found


def judge(found: dict[str, Any], form: str) -> None:
    results = found["results"]
    for name, chosen in (
        ("the store failed before", [r for r in results if r.get("after") is False]),
        ("the store failed after", [r for r in results if r.get("after") is True]),
        ("the store was full from", [r for r in results if "full" in r]),
    ):
        redone = sum(r["redone"] for r in chosen)
        record_row(f"{name} a call{form}", len(chosen), redone, not any(r["wrong"] for r in chosen))
    assert not [r for r in results if r["wrong"]]
    failures = [r for r in results if "fail" in r]
    assert all(r["redone"] <= 1 for r in failures), "one failure redoes one part"
    assert all(r["builds"] == 1 for r in failures), "one failure of the store ends no build"
    assert all("is full" in r["ended_by"] or "set aside" in r["ended_by"] for r in results if r["builds"] > 1)


def test_a_store_that_fails_at_a_few_calls(tmp_path: Path) -> None:
    judge(swept(tmp_path, 150, PATIENCE_S), " (a few of them)")


@pytest.mark.slow
def test_a_store_that_fails_at_every_call(tmp_path: Path) -> None:
    judge(swept(tmp_path, 1, 3600.0), "")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk; the full store above is for others")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A real disk of 3 MB. The build ends with one line and status 1; with more room the same command resumes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    recipe = write_recipe(tmp_path / "recipe.yaml", crawl(tmp_path / "crawl", seeds=1, pages=96))
    with Driver(recipe, tmp_path / "unbroken") as driver:
        assert driver.wait()[0] == 0
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    try:
        with Driver(recipe, disk / "run") as driver:
            status, output = driver.wait()
        assert status == 1 and "Traceback" not in output
        assert "is full" in output or "No space left" in output
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        with Driver(recipe, disk / "run") as driver:
            status, output = driver.wait()
        assert status == 0, output
        equal = dataset_hashes(disk / "run") == dataset_hashes(tmp_path / "unbroken")
        record_row("a disk of 3 MB, full; then made larger", 1, attempts(disk / "run"), equal)
        assert equal and document_ids(disk / "run") == document_ids(tmp_path / "unbroken")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
