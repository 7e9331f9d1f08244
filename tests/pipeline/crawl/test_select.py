"""Pages selected by an index: the same documents as from whole files, in parts that do not depend on the index files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3w.pipeline.crawl.select import select
from m3w.pipeline.crawl.select import selected as group_selected
from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.extract.stage import extract
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import EXTRACTED
from m3w.recipes.errors import InputError

NAMES = ("commoncrawl-resiliparse/warcfile.warc.gz", "with-images-wikipedia-sopa/main-page.warc.gz",
         "odd-pywb/iana.warc.gz", "with-images-books/books.toscrape.warc", "commoncrawl-whirlwind/whirlwind.warc.gz")  # fmt: skip


def index_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Every response of real archives as an index has it."""
    for name in NAMES:
        for item in read_archive(str(folder / name), max_block_bytes=2**24):
            if isinstance(item, WarcRecord) and item.kind == "response" and item.length is not None:
                moment = item.crawled_at.replace(tzinfo=None) if item.crawled_at else None
                yield {"url": item.url, "content_mime_detected": item.mime, "fetch_status": item.status or 0,
                       "fetch_time": moment, "warc_filename": str(folder / name), "warc_record_offset": item.offset,
                       "warc_record_length": item.length}  # fmt: skip


@pytest.fixture
def indexes(shared_data: Path, tmp_path: Path) -> dict[str, str]:
    rows = list(index_rows(shared_data / "warc"))
    assert len(rows) > 150
    pq.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "all.parquet")
    half = len(rows) // 2
    for number, some in enumerate((rows[half - 20 :], rows[:half])):
        lines = [
            f"- {row['fetch_time']:%Y%m%d%H%M%S} "
            + json.dumps({"url": row["url"], "mime": row["content_mime_detected"], "status": str(row["fetch_status"]),
                          "filename": row["warc_filename"], "offset": str(row["warc_record_offset"]),
                          "length": str(row["warc_record_length"])})
            for row in some
        ]  # fmt: skip
        (tmp_path / f"part{number}.cdxj").write_text("\n".join(lines) + "\n")
    return {"parquet": f"{tmp_path}/all.parquet", "cdxj": f"{tmp_path}/part*.cdxj"}


def selected(in_place: Any, recipe: Recipe) -> tuple[list[LedgerEntry], LedgerEntry]:
    entries = in_place.stage(select, recipe)
    (grouped,) = in_place.stage(group_selected, recipe).values()
    return list(entries.values()), grouped


def documents(in_place: Any, entries: list[LedgerEntry]) -> list[str]:
    """As text, in which two numbers that are none are the same."""
    rows = [row for entry in entries for row in in_place.rows(EXTRACTED, entry.part)]
    return [repr(row) for row in sorted(rows, key=lambda row: (row["warc_path"], row["warc_offset"]))]


@pytest.mark.parametrize("kind", ["parquet", "cdxj"])
def test_the_pages_that_an_index_names_give_the_documents_of_the_whole_files(
    shared_data: Path, in_place: Any, indexes: dict[str, str], kind: str
) -> None:
    whole = [
        Part(name=f"whole-{number}", inputs=[], params={"path": str(shared_data / "warc" / name)})
        for number, name in enumerate(NAMES)
    ]
    expected = documents(in_place, list(in_place.stage(extract, parts=whole).values()))
    assert len(expected) >= 9
    everything: dict[str, Any] = {"mimes": [], "statuses": []}
    for pages_per_part, where in ((10, everything), (37, everything), (100_000, {})):
        index = {"paths": [indexes[kind]], "pages_per_part": pages_per_part, "where": where}
        crawl = {"index": index, "storage": {"gap_kib": 1}}
        recipe = in_place.recipe(crawl=crawl)
        _, grouped = selected(in_place, recipe)
        assert all(output.rows <= pages_per_part for output in grouped.outputs)
        assert len(grouped.outputs) >= -(-grouped.counters["pages"] // pages_per_part)
        entries = list(in_place.stage(extract, recipe).values())
        assert len(entries) == len(grouped.outputs)
        assert documents(in_place, entries) == expected
        assert sum(entry.counters["records"] for entry in entries) == grouped.counters["pages"]
        assert not any(entry.faults for entry in entries)


def test_parts_do_not_depend_on_how_the_index_is_cut_into_files(in_place: Any, indexes: dict[str, str]) -> None:
    found = {}
    for kind, paths in indexes.items():
        recipe = in_place.recipe(crawl={"index": {"paths": [paths], "pages_per_part": 25}})
        _, grouped = selected(in_place, recipe)
        found[kind] = [(part.name, part.inputs) for part in in_place.parts(extract, recipe)]
        dropped = grouped.counters["pages_dropped.same_place"]
        assert (dropped > 0) == (kind == "cdxj"), "its two files have twenty pages in common"
    assert found["parquet"] == found["cdxj"]


def test_a_page_missing_at_its_indexed_position_is_a_fault(in_place: Any, shared_data: Path, tmp_path: Path) -> None:
    path = str(shared_data / "warc/odd-pywb/iana.warc.gz")
    good = [i for i in read_archive(path, max_block_bytes=2**24) if isinstance(i, WarcRecord) and i.mime == "text/html"]
    places = [(good[0].offset + 7, 500), (good[1].offset, good[1].length), (10**9, 500)]
    rows = [{"url": "x", "content_mime_detected": "text/html", "fetch_status": 200, "warc_filename": path,
             "warc_record_offset": offset, "warc_record_length": length} for offset, length in places]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "i.parquet")
    recipe = in_place.recipe(crawl={"index": {"paths": [f"{tmp_path}/i.parquet"]}})
    selected(in_place, recipe)
    (entry,) = in_place.stage(extract, recipe).values()
    assert entry.counters["records"] == entry.counters["pages"] == 1
    assert [(fault.offset, fault.reason) for fault in entry.faults] == [
        (good[0].offset + 7, "not_a_record"),
        (10**9, "empty_file"),
    ]


def test_an_index_without_a_selected_page_is_an_error(in_place: Any, indexes: dict[str, str]) -> None:
    crawl = {"index": {"paths": [indexes["parquet"]], "where": {"statuses": [999]}}}
    recipe = in_place.recipe(crawl=crawl)
    assert len(in_place.stage(select, recipe)) == 1
    with pytest.raises(
        InputError, match=r"crawl\.index\.where selects none of the [1-9]\d* rows of crawl\.index\.paths"
    ):
        in_place.stage(group_selected, recipe)
    with pytest.raises(InputError, match=r"crawl\.index\.paths: .*none\.parquet names no file"):
        in_place.parts(select, in_place.recipe(crawl={"index": {"paths": ["none.parquet"]}}))
