"""Stages `select` and `selected`: an index of a crawl to the pages that the recipe wants, grouped into parts.

`select` filters each index file by `crawl.index.where`; `selected` brings the pages of a WARC file together, in the
order in which they lie, and cuts them into parts of at most `crawl.index.pages_per_part`. Skipped where `crawl.paths`
is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.crawl.index import LOCATION_SCHEMA, check_index, selected_rows
from m3w.pipeline.crawl.parts import index_files
from m3w.pipeline.crawl.paths import resolved_path
from m3w.pipeline.crawl.section import Crawl
from m3w.pipeline.crawl.urls import stable_number
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.recipe import Recipe
from m3w.recipes.errors import InputError

FOLDER = "selection/parts"


def plan(crawl: Crawl) -> list[Part]:
    """A part for each index file, of which the first is looked into. Raises `InputError`."""
    parts = index_files(crawl)
    for part in parts[:1]:
        check_index(part.path, crawl.index.where, crawl.storage)
    return [Part(name=part.name, inputs=[part.input], work=part.work) for part in parts]


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Filter the index file that `part.work` names; write `selection/pages`."""
    crawl, path = recipe.crawl, part.work["path"]
    with (
        attempt.create(f"selection/pages/{part.name}.parquet") as file,
        pq.ParquetWriter(file, LOCATION_SCHEMA, compression="zstd") as writer,
    ):
        for rows in selected_rows(path, crawl.index.where, crawl.storage, attempt.counters):
            writer.write_table(_with_paths(rows, path, crawl.prefix))
            file.rows += rows.num_rows


def _with_paths(rows: pa.Table, index: str, prefix: str | None) -> pa.Table:
    """The names of WARC files as paths; an index names a file many times."""
    names = rows["warc_filename"].combine_chunks().dictionary_encode()
    paths = pa.array([resolved_path(name, index, prefix) for name in names.dictionary.to_pylist()], pa.string())
    return rows.set_column(0, LOCATION_SCHEMA.field(0), paths.take(names.indices))


def check_some(counters: dict[str, int]) -> None:
    """Raises `InputError` if no page was selected."""
    if not counters.get("pages"):
        raise InputError(
            f"crawl.index.where selects none of the {counters.get('index_rows', 0)} rows of crawl.index.paths, so "
            "there is nothing to read; ask for less (mimes and statuses are conditions, too)"
        )


def grouping(fingerprint: str, pages: int, pages_per_part: int) -> Grouping:
    """The grouping of selected pages into parts; `pages` is how many there are."""
    buckets = -(-pages // pages_per_part)

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        with run.fs.open(run.full(f"selection/pages/{entry.part}.parquet"), "rb") as file:
            found = pq.read_table(file)
        paths = found["warc_filename"].combine_chunks().dictionary_encode()
        groups = pa.array(
            [f"{stable_number(path) % buckets:06d}" for path in paths.dictionary.to_pylist()], pa.string()
        )
        return found.append_column("group", groups.take(paths.indices))

    def pieces(table: pa.Table) -> Sequence[tuple[str, pa.Table]]:
        starts = range(0, table.num_rows, pages_per_part)
        return [(f"-{number:04d}", table.slice(at, pages_per_part)) for number, at in enumerate(starts)]

    return Grouping(name="selected", fingerprint=fingerprint, rows=rows, gather=_gather, folder=FOLDER, pieces=pieces)


def _gather(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """The pages of a group of WARC files as they lie, each once, though two index files may name it."""
    names = LOCATION_SCHEMA.names
    ordered = group.select(names).sort_by([(name, "ascending") for name in names]).combine_chunks()
    same = pc.and_(
        *(pc.equal(ordered[name].slice(1), ordered[name].slice(0, ordered.num_rows - 1)) for name in names[:2])
    )
    first = pa.array([True, *(not again for again in same.to_pylist())])
    kept = ordered.filter(first)
    return kept, {"pages": kept.num_rows, "pages_dropped.same_place": ordered.num_rows - kept.num_rows}


def parts(selected: LedgerEntry) -> list[Part]:
    """A part of `extract` for each file that the grouping wrote."""
    return [
        Part(
            name=f"selected-{output.path.rpartition('/')[2].removesuffix('.parquet')}",
            inputs=[f"{output.path} of sha256 {output.sha256}"],
            work={"selection": output.path},
        )
        for output in selected.outputs
    ]
