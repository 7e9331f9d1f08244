"""The parts of a stage that follow from what earlier stages committed."""

from __future__ import annotations

from typing import Any

import pytest

from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.stage import PartStage, StageFailed, per_part
from m3w.pipeline.engine.table import Input, Table

PAGES, COPIES, SETS, TEXTS, STORE = (Table(name) for name in ("pages", "copies", "sets", "texts", "store"))


def stage(*reads: Table | Input, writes: tuple[Table, ...] = ()) -> PartStage:
    def reader(io: Any, settings: Any) -> None: ...

    return per_part(reads=reads, writes=writes)(reader)


def entry(part: str, *tables: Table, sha256: str = "0", files: tuple[str, ...] | None = None) -> LedgerEntry:
    """Of a part that wrote its file of each table, or the files named."""
    paths = [table.path(name) for table in tables for name in (files or (part,))]
    outputs = [Output(path=path, sha256=sha256, bytes=1, rows=2) for path in paths]
    return LedgerEntry(
        stage="s", part=part, fingerprint="", inputs=[], outputs=outputs, counters={}, seconds=0, attempt=1
    )


def committed(**tables: Any) -> Inputs:
    """Pages of the parts `a` and `b`, and what else is given: a table's entries by part, or by group."""
    inputs = Inputs()
    inputs.put(PAGES, {name: entry(name, PAGES, sha256=name) for name in "ab"})
    for table in (COPIES, SETS, TEXTS, STORE):
        if table.folder in tables:
            inputs.put(table, tables[table.folder], by_part=table is not COPIES)
    return inputs


GROUPED = {"all": entry("all", COPIES, files=("b",))}
SHARED = {"one": entry("one", SETS), "two": entry("two", SETS)}


def test_a_part_has_its_file_of_each_table_by_its_name() -> None:
    parts = committed(copies=GROUPED).parts(stage(PAGES, COPIES))
    assert [(part.name, part.files) for part in parts] == [
        ("a", [["pages/a.parquet"], []]),
        ("b", [["pages/b.parquet"], ["copies/b.parquet"]]),
    ], "a grouping may have no file for a part"
    assert parts[1].inputs == ["pages/b.parquet of sha256 b", "copies/b.parquet of sha256 0"]


def test_a_part_that_a_stage_before_failed_on_is_passed_over() -> None:
    inputs = committed(texts={"b": entry("b", TEXTS)})
    assert [part.name for part in inputs.parts(stage(PAGES, TEXTS))] == ["b"]
    assert inputs.part(stage(PAGES, TEXTS), "a") is None


def test_a_required_table_decides_which_parts_exist_but_its_content_is_no_input() -> None:
    parts = committed(texts={"b": entry("b", TEXTS)}).parts(stage(PAGES, TEXTS.required))
    assert [(part.name, part.inputs) for part in parts] == [("b", ["pages/b.parquet of sha256 b"])]


def test_an_optional_table_is_read_where_a_stage_writes_it() -> None:
    without, with_it = committed(), committed(texts={name: entry(name, TEXTS) for name in "ab"})
    reads = stage(PAGES, TEXTS.optional)
    assert [part.files for part in without.parts(reads)] == [[["pages/a.parquet"], []], [["pages/b.parquet"], []]]
    assert [part.files[1] for part in with_it.parts(reads)] == [["texts/a.parquet"], ["texts/b.parquet"]]
    assert all(len(part.inputs) == 2 for part in with_it.parts(reads))
    with pytest.raises(AssertionError, match="reads texts, which no stage before it writes"):
        without.parts(stage(PAGES, TEXTS))


def test_a_shared_table_is_an_input_of_every_part() -> None:
    parts = committed(sets=SHARED).parts(stage(PAGES, SETS.shared))
    assert [part.files[1] for part in parts] == [["sets/one.parquet", "sets/two.parquet"]] * 2
    assert parts[0].inputs[1:] == ["sets/one.parquet of sha256 0", "sets/two.parquet of sha256 0"]
    assert [part.files[1] for part in committed().parts(stage(PAGES, SETS.shared))] == [[], []]
    with pytest.raises(StageFailed, match="needs sets, which has no file"):
        committed(sets={}).parts(stage(PAGES, SETS.shared))


def test_a_stage_may_write_only_some_of_its_shared_tables() -> None:
    """Of two kinds of evaluation sets a recipe may name one."""
    inputs = committed()
    inputs.add(stage(writes=(SETS, TEXTS)), {"all": entry("all", SETS)})
    parts = inputs.parts(stage(PAGES, SETS.shared, TEXTS.shared))
    assert [part.files[1:] for part in parts] == [[["sets/all.parquet"], []]] * 2


def test_a_table_read_by_path_is_not_among_the_inputs_of_a_part() -> None:
    parts = committed(store={"x": entry("x", STORE)}).parts(stage(PAGES, STORE.by_path))
    assert [(part.files[1], len(part.inputs)) for part in parts] == [([], 1)] * 2


def test_new_entries_of_a_stage_replace_the_old_ones() -> None:
    inputs = committed(copies=GROUPED)
    assert inputs.rows(COPIES) == 2 and inputs.bytes(stage(PAGES, COPIES)) == 3
    changed = inputs.with_entries(stage(writes=(PAGES,)), {"c": entry("c", PAGES)})
    assert list(changed.outputs(PAGES)) == ["pages/c.parquet"] and changed.outputs(COPIES) == inputs.outputs(COPIES)
    assert list(inputs.outputs(PAGES)) == ["pages/a.parquet", "pages/b.parquet"]
