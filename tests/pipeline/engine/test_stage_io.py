"""A stage can read and write only the tables that it declares, and their files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from m3w.pipeline.engine.drops import DROPS, Drop
from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.engine.settings import NoSettings
from m3w.pipeline.engine.stage import Shuffle, grouped, per_part
from m3w.pipeline.engine.stage_io import QUARANTINE, PartFiles, StageIO, UndeclaredTable
from m3w.pipeline.engine.table import Table

SCHEMA = pa.schema([("number", pa.int64())])
READ, OTHER, WRITTEN = (Table(name, SCHEMA) for name in ("read", "other", "written"))
BY_STAGE = Table("mixed", SCHEMA, by_stage=True)
ROWS = [{"number": number} for number in range(3)]


@pytest.fixture
def run_part(in_place: Any) -> Callable[..., Any]:
    """Runs a function as a stage over the part `p`; the three tables that it may read exist."""
    for table in (READ, OTHER):
        in_place.put(table, ROWS)
    in_place.run.write(BY_STAGE.path("p", "first"), b"file")

    def run(process: Callable[[StageIO, NoSettings], None], **declared: Any) -> Any:
        declared = {"reads": [READ, BY_STAGE.by_path], "writes": [WRITTEN], **declared}
        return in_place.part(per_part(name="stage", **declared)(process), "p")

    return run


def copy(io: StageIO, settings: NoSettings) -> None:
    with io.write(WRITTEN) as writer:
        for row in io.rows(READ):
            writer.write(row)


def test_a_stage_reads_and_writes_what_it_declares(run_part: Any, in_place: Any) -> None:
    (output,) = run_part(copy).outputs
    assert (output.path, output.rows) == ("written/p.parquet", 3)
    assert in_place.rows(WRITTEN) == ROWS


def write(io: StageIO, table: Table, **how: Any) -> None:
    with io.write(table, **how):
        pass


def create(io: StageIO, table: Table) -> None:
    with io.create(table):
        pass


UNDECLARED: dict[str, Callable[[StageIO], object]] = {
    "paths": lambda io: io.paths(OTHER),
    "rows": lambda io: list(io.rows(OTHER)),
    "batches": lambda io: list(io.batches(OTHER)),
    "read": lambda io: io.read(OTHER),
    "open": lambda io: io.open(OTHER, OTHER.path("p")),
    "read what it writes": lambda io: io.read(WRITTEN),
    "write": lambda io: write(io, OTHER),
    "write what it reads": lambda io: write(io, READ),
    "write like another": lambda io: write(io, WRITTEN, like=OTHER),
    "create": lambda io: create(io, OTHER),
}


@pytest.mark.parametrize("how", UNDECLARED)
def test_an_undeclared_table_cannot_be_used(how: str, run_part: Any, in_place: Any) -> None:
    with pytest.raises(
        UndeclaredTable, match=r"stage (reads|writes|opens) .*(declaration does not name|declaration has no table)"
    ):
        run_part(lambda io, settings: UNDECLARED[how](io))
    assert not in_place.run.exists("ledger/stage/p.json") and not in_place.run.exists("written")
    assert in_place.rows(OTHER) == in_place.rows(READ) == ROWS


def test_a_grouping_cannot_read_what_it_does_not_declare(in_place: Any) -> None:
    in_place.put(READ, ROWS)
    in_place.put(OTHER, ROWS)

    @grouped(reads=[READ], writes=WRITTEN, name="stage")
    def reads_more(inputs: Any, settings: NoSettings) -> Shuffle:
        def rows(part: PartFiles) -> pa.Table:
            return part.read(OTHER)

        return Shuffle(map=rows, reduce=lambda group: (group, {}))

    with pytest.raises(UndeclaredTable, match="stage reads other"):
        in_place.stage(reads_more)


def test_files_of_a_declared_table_are_opened_by_their_paths(run_part: Any, in_place: Any) -> None:
    in_place.put(READ, ROWS, "q")
    sizes = []

    def opens(io: StageIO, settings: NoSettings) -> None:
        for path in (READ.path("p"), READ.path("q"), BY_STAGE.path("p", "first")):
            with io.open(BY_STAGE if path.startswith("mixed") else READ, path) as file:
                sizes.append(len(file.read()))

    run_part(opens)
    assert len(sizes) == 3 and all(sizes)


@pytest.mark.parametrize(
    "path",
    [
        "other/p.parquet", "read/../other/p.parquet", "read/../read/p.parquet", "../read/p.parquet", "/read/p.parquet",
        "{run}/read/p.parquet", "./read/p.parquet", "read//p.parquet", "read/sub/p.parquet", "read/p.tar", "read/..",
        "read", "", "recipe.yaml", "mixed/../other.parquet", "mixed/../../p.parquet", "/mixed/a/p.parquet",
        "mixed/a/../p.parquet", "file://read/p.parquet", "memory://read/p.parquet",
    ],
)  # fmt: skip
def test_paths_outside_declared_tables_are_not_opened(path: str, run_part: Any, in_place: Any) -> None:
    path = path.format(run=in_place.run.path)
    for table in (READ, BY_STAGE):
        with pytest.raises(UndeclaredTable, match="declaration has no table"):
            run_part(lambda io, settings, table=table: io.open(table, path))


def test_drops_are_counted_and_sampled_and_faults_are_kept(run_part: Any, in_place: Any) -> None:
    def drops(io: StageIO, settings: NoSettings) -> None:
        for number in range(9):
            io.drop("pages", Drop(kind="page", reason="odd", document_id=f"{number:032x}", url="u"))
        io.count_dropped("pages", "even", 4)
        io.fault(Fault(path="a.warc", offset=7, reason="cut"))

    entry = run_part(drops, writes=[DROPS, QUARANTINE])
    assert entry.counters == {"faults.cut": 1, "pages_dropped.even": 4, "pages_dropped.odd": 9}
    assert [row["reason"] for row in in_place.rows_at("drops/stage/p.parquet")] == ["odd"] * 3
    assert [row["offset"] for row in in_place.rows_at("quarantine/stage/p.parquet")] == [7]
    assert {output.path for output in entry.outputs} == {"drops/stage/p.parquet", "quarantine/stage/p.parquet"}
    for declared in ([DROPS], [QUARANTINE], []):
        with pytest.raises(UndeclaredTable, match=r"stage writes (drops|quarantine)"):
            run_part(drops, writes=declared)


def test_a_table_that_has_no_file_for_the_part_is_empty(run_part: Any, in_place: Any) -> None:
    seen = []

    def reads(io: StageIO, settings: NoSettings) -> None:
        seen.append((io.paths(OTHER), list(io.rows(OTHER)), io.read(OTHER), io.read(OTHER, columns=["number"])))

    in_place.inputs.put(OTHER, {}, by_part=False)
    in_place.inputs._by_part.discard(OTHER)
    run_part(reads, reads=[READ, OTHER])
    ((paths, rows, table, columns),) = seen
    assert (list(paths), rows, table.num_rows, columns.column_names) == ([], [], 0, ["number"])
    assert table.schema == SCHEMA
