"""How a run is worked off: what parts ask for, what counts against them, and that none of it changes a result."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.engine.attempt import Attempt, Care
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.executor import Executor, StageFailed
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part, Stage
from m3w.pipeline.recipe import RESULT_FIELDS, STAGE_FIELDS, Recipe, parse_recipe
from m3w.recipes.errors import InputError

MIB = 2**20


def recipe(**execution: Any) -> Recipe:
    return parse_recipe({"crawl": {"paths": ["a.warc.gz"]}, "execution": execution}, "test.yaml")


def test_a_stage_asks_for_its_own_and_else_for_what_all_ask_for() -> None:
    execution = recipe(cpus_per_part=2, stages={"extract": {"memory_mib": 4096}, "join": {"cpus": 0.5}}).execution
    assert (execution.of("extract").cpus, execution.of("extract").memory_bytes) == (2, 4096 * MIB)
    assert (execution.of("join").cpus, execution.of("join").memory_bytes) == (0.5, 1024 * MIB)
    assert (execution.of("filter").cpus, execution.of("filter").memory_bytes) == (2, 1024 * MIB)


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        ({"stages": {"extrakt": {"cpus": 1}}}, r"execution\.stages\.extrakt is no stage; stages are .*extract"),
        (
            {"stages": {"extract": {"cpu": 1}}},
            r"unknown key execution\.stages\.extract\.cpu; known here: cpus, memory_mib",
        ),
        ({"stages": {"extract": {"cpus": 0}}}, r"execution\.stages\.extract\.cpus = 0"),
        ({"deaths": 0}, r"execution\.deaths = 0"),
        ({"driver_timeout_s": 0}, r"execution\.driver_timeout_s = 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(execution: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe(**execution)


def test_nothing_of_it_is_in_a_fingerprint() -> None:
    changed = recipe(stages={"extract": {"cpus": 4}}, deaths=3, pause_s=1, attempts=9, driver_timeout_s=5)
    for fields in (*STAGE_FIELDS.values(), RESULT_FIELDS):
        assert changed.digest(fields) == recipe().digest(fields)


def dies(attempt: Attempt, part: Part, settings: Recipe) -> None:
    """As often as the part says; it notes with how much care it was handled."""
    notes = Path(part.work["notes"])
    tries = len(list(notes.glob(f"{part.name}-*")))
    (notes / f"{part.name}-{tries}-{attempt.care}").touch()
    if tries < part.work["deaths"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if tries < part.work["deaths"] + part.work["errors"]:
        raise ValueError("not this time")


def work_off(folder: Path, deaths: int, errors: int, settings: Recipe) -> dict[str, LedgerEntry]:
    """One part that dies and fails so often before it succeeds."""
    (folder / "notes").mkdir()
    part = Part(name="p", inputs=[], work={"notes": str(folder / "notes"), "deaths": deaths, "errors": errors})
    stage = Stage(name="extract", fingerprint="f", process=dies)
    return Executor(Run.create(str(folder / "run")), settings, Progress()).work_off(stage, [part])


def cares(folder: Path) -> list[str]:
    return [path.name.rpartition("-")[2] for path in sorted((folder / "notes").iterdir())]


@pytest.mark.ray
def test_deaths_are_counted_apart_from_errors_and_call_for_care(tmp_path: Path) -> None:
    entries = work_off(tmp_path, 3, 1, recipe(memory_mib_per_part=64, attempts=2))
    assert entries["p"].attempt == 5
    assert cares(tmp_path) == [Care.WATCHED, *[Care.APART] * 4]


@pytest.mark.ray
def test_a_part_that_keeps_dying_is_set_aside(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="1 of 1 parts of extract failed"):
        work_off(tmp_path, 9, 0, recipe(memory_mib_per_part=64, deaths=2))
    (failed,) = Run.open(str(tmp_path / "run")).failures("extract").values()
    assert failed.attempts == 2 and "died" in failed.traceback


@pytest.mark.ray
def test_more_than_the_machine_has_is_not_waited_for(tmp_path: Path) -> None:
    settings = recipe(stages={"extract": {"cpus": 4000}})
    with pytest.raises(InputError, match=r"a part of extract asks for 4000 CPUs .* execution\.stages\.extract"):
        work_off(tmp_path, 0, 0, settings)
