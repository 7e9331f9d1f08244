"""The declaration of a stage: its name, its tables, and how it gets to workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ray import cloudpickle

from m3w.pipeline.build import STAGES
from m3w.pipeline.engine.settings import NoSettings
from m3w.pipeline.engine.stage import GroupStage, PartStage, Shuffle, grouped, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.engine.table import Table

PAGES, WORDS = (Table(name, pa.schema([("number", pa.int64())])) for name in ("pages", "words"))
LOADS = "import pickle, sys; stage = pickle.load(sys.stdin.buffer); print(stage.name, stage.process(None, None))"


def test_a_stage_is_named_after_its_function_and_may_have_another_name() -> None:
    def count(io: StageIO, settings: NoSettings) -> None: ...

    first, second = per_part(reads=[PAGES])(count), per_part(name="other")(count)
    assert (first.name, second.name) == ("count", "other")
    assert isinstance(first, PartStage) and [declared.table for declared in first.reads] == [PAGES]


def test_a_grouping_writes_one_table() -> None:
    @grouped(reads=[PAGES], writes=WORDS)
    def together(inputs: Any, settings: NoSettings) -> Shuffle:
        raise NotImplementedError

    assert isinstance(together, GroupStage) and together.table is WORDS and together.writes == (WORDS,)


def test_every_stage_of_a_build_gets_to_workers_by_name() -> None:
    for stage in STAGES:
        assert cloudpickle.loads(cloudpickle.dumps(stage)) is stage


def test_a_stage_that_no_module_holds_gets_to_workers_by_value() -> None:
    number = 7

    @per_part(writes=[WORDS])
    def inner(io: StageIO, settings: NoSettings) -> Any:
        return number

    there = cloudpickle.loads(cloudpickle.dumps(inner))
    assert there is not inner and there.process(None, None) == 7 and there.writes == inner.writes


def test_a_stage_of_a_script_gets_to_workers_that_have_another_main_module(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from ray import cloudpickle\n"
        "from m3w.pipeline.engine.stage import per_part\n"
        "@per_part()\n"
        "def own(io, settings):\n"
        "    return 'ran'\n"
        "sys.stdout.buffer.write(cloudpickle.dumps(own))\n"
    )
    pickled = subprocess.run([sys.executable, str(script)], check=True, capture_output=True).stdout
    loaded = subprocess.run([sys.executable, "-c", LOADS], input=pickled, check=True, capture_output=True)
    assert loaded.stdout.split() == [b"own", b"ran"]


@pytest.mark.parametrize("table", [PAGES, Table("drops", by_stage=True), Table("shards", suffix=".index.parquet")])
def test_a_table_holds_the_files_that_it_names_and_no_others(table: Table) -> None:
    assert table.holds(table.path("part", "stage"))
    for path in ("elsewhere/part.parquet", f"{table.folder}/part.tar", f"{table.folder}/a/b/part{table.suffix}"):
        assert not table.holds(path)
