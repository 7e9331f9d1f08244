"""The section `execution`: what parts request, how failures and deaths count, and that none of it changes a result."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from m3w.pipeline.build import build, dataset_digest
from m3w.pipeline.engine.attempt import Isolation
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import NoSettings
from m3w.pipeline.engine.stage import Part, Shuffle, StageFailed, grouped, per_part
from m3w.pipeline.engine.stage_io import PartFiles, StageIO
from m3w.pipeline.engine.table import Table
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.recipes.errors import InputError

MIB = 2**20
PAGES, WORDS = (Table(name, pa.schema([("number", pa.int64())])) for name in ("pages", "words"))


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
        (
            {"stages": {"extract": {"cpu": 1}}},
            r"unknown key execution\.stages\.extract\.cpu; known here: cpus, memory_mib",
        ),
        ({"stages": {"extract": {"cpus": 0}}}, r"execution\.stages\.extract\.cpus = 0"),
        ({"deaths": 0}, r"execution\.deaths = 0"),
        ({"driver_timeout_s": 0}, r"execution\.driver_timeout_s = 0"),
    ],
)
def test_errors_name_the_key(execution: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe(**execution)


def test_an_unknown_stage_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"execution\.stages\.extrakt is not a stage, .*; the stages are .*extract"):
        build(recipe(stages={"extrakt": {"cpus": 1}}), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_no_fingerprint_depends_on_execution(fingerprints: Any) -> None:
    changed = recipe(stages={"extract": {"cpus": 4}}, cpus_per_part=2, deaths=3, pause_s=1, attempts=9)
    changed = changed.model_copy(update={"execution": changed.execution.model_copy(update={"driver_timeout_s": 5})})
    assert fingerprints(changed) == fingerprints(recipe())
    assert dataset_digest(changed) == dataset_digest(recipe())


@per_part(name="extract")
def dies(io: StageIO, settings: NoSettings) -> None:
    """Dies as often as the part says, and records its isolation."""
    notes = Path(io.params["notes"])
    tries = len(list(notes.glob(f"{io.part}-*")))
    (notes / f"{io.part}-{tries}-{io.isolation}").touch()
    if tries < io.params["deaths"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if tries < io.params["deaths"] + io.params["errors"]:
        raise ValueError("not this time")


def run_part(folder: Path, deaths: int, errors: int, settings: Recipe) -> dict[str, LedgerEntry]:
    """Run one part that dies and fails this many times before it succeeds."""
    (folder / "notes").mkdir()
    part = Part(name="p", inputs=[], params={"notes": str(folder / "notes"), "deaths": deaths, "errors": errors})
    executor = Executor(Run.create(str(folder / "run")), settings.execution, Progress())
    return executor.run_parts(dies, NoSettings(), [part])


def isolations(folder: Path) -> list[str]:
    return [path.name.rpartition("-")[2] for path in sorted((folder / "notes").iterdir())]


@pytest.mark.ray
def test_deaths_are_counted_apart_from_errors_and_call_for_isolation(tmp_path: Path) -> None:
    entries = run_part(tmp_path, 3, 1, recipe(memory_mib_per_part=64, attempts=2))
    assert entries["p"].attempt == 5
    assert isolations(tmp_path) == [Isolation.WATCHED, *[Isolation.APART] * 4]


@pytest.mark.ray
def test_a_part_that_keeps_dying_is_set_aside(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="1 of 1 parts of extract failed"):
        run_part(tmp_path, 9, 0, recipe(memory_mib_per_part=64, deaths=2))
    (failed,) = Run.open(str(tmp_path / "run")).failures("extract").values()
    assert failed.attempts == 2 and "died" in failed.traceback


@pytest.mark.ray
def test_more_than_the_machine_has_is_not_waited_for(tmp_path: Path) -> None:
    settings = recipe(stages={"extract": {"cpus": 4000}})
    with pytest.raises(InputError, match=r"a part of extract asks for 4000 CPUs .* execution\.stages\.extract"):
        run_part(tmp_path, 0, 0, settings)


@grouped(reads=[PAGES], writes=WORDS)
def raises(inputs: Inputs, settings: NoSettings) -> Shuffle:
    """A grouping that cannot read its rows."""

    def rows(part: PartFiles) -> pa.Table:
        raise ValueError(f"{part.part} is odd")

    return Shuffle(map=rows, reduce=lambda group: (group, {}))


@pytest.mark.ray
def test_a_grouping_that_fails_is_set_aside_under_its_part_and_ends_the_build(in_place: Any) -> None:
    in_place.put(PAGES, [{"number": 1}], "a")
    executor = Executor(in_place.run, recipe(memory_mib_per_part=64).execution, Progress())
    with pytest.raises(StageFailed, match=r"raises failed: ValueError: a is odd; see m3w status"):
        executor.run_grouping(raises, NoSettings(), in_place.inputs, part="2")
    failures = in_place.run.failures("raises")
    assert list(failures) == ["2"] and "is odd" in failures["2"].traceback
