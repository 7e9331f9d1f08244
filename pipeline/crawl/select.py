"""Stages `select` and `selected`: from the index of a crawl, the pages that the recipe selects, grouped into parts.

`select` filters each index file by `crawl.index.where`. `selected` groups the pages by WARC file, in the order of their
offsets, and cuts them into parts of at most `crawl.index.pages_per_part`. Neither runs if `crawl.paths` is set.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.crawl.index import LOCATION_SCHEMA, check_index, selected_rows
from m3w.pipeline.crawl.parts import index_files
from m3w.pipeline.crawl.paths import resolved_path
from m3w.pipeline.crawl.section import Storage, Where
from m3w.pipeline.crawl.urls import stable_number
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Part, Shuffle, grouped, per_part
from m3w.pipeline.engine.stage_io import PartFiles, StageIO
from m3w.pipeline.engine.table import Table
from m3w.recipes.errors import InputError

SELECTED_PAGES = Table("selection/pages", LOCATION_SCHEMA)
"""Positions in WARC files of the pages that the recipe selects; one file per file of the index."""
SELECTED_PARTS = Table("selection/parts", LOCATION_SCHEMA)
"""The same pages, grouped by WARC file into the parts of `extract`."""


@settings
class SelectSettings:
    paths: list[str] = key("crawl.index.paths", effect="inputs")
    where: Where = key("crawl.index.where")
    prefix: str | None = key("crawl.prefix")
    storage: Storage = key("crawl.storage", effect="none")


def plan(select: SelectSettings, inputs: Inputs) -> list[Part]:
    """A part for each index file; the first file is checked. Raises `InputError`."""
    files = index_files(select.paths, select.storage)
    for file in files[:1]:
        check_index(file.path, select.where, select.storage)
    return [Part(name=file.name, inputs=[file.input], params=file.params) for file in files]


@per_part(
    writes=[SELECTED_PAGES],
    settings=SelectSettings,
    enabled=lambda select: bool(select.paths),
    parts=plan,
    units=("pages",),
)
def select(io: StageIO, select: SelectSettings) -> None:
    """Filter the index file that the part's parameters name."""
    path = io.params["path"]
    with io.write(SELECTED_PAGES) as writer:
        for rows in selected_rows(path, select.where, select.storage, io.counters):
            writer.write_columns(_with_paths(rows, path, select.prefix))


def _with_paths(rows: pa.Table, index: str, prefix: str | None) -> pa.Table:
    """Replace the names of WARC files by paths; each name is resolved once, since an index repeats it."""
    names = rows["warc_filename"].combine_chunks().dictionary_encode()
    paths = pa.array([resolved_path(name, index, prefix) for name in names.dictionary.to_pylist()], pa.string())
    return rows.set_column(0, LOCATION_SCHEMA.field(0), paths.take(names.indices))


@settings
class SelectedSettings:
    paths: list[str] = key("crawl.index.paths", effect="inputs")
    pages_per_part: int = key("crawl.index.pages_per_part")


@grouped(
    reads=[SELECTED_PAGES],
    writes=SELECTED_PARTS,
    settings=SelectedSettings,
    enabled=lambda selected: bool(selected.paths),
)
def selected(inputs: Inputs, selected: SelectedSettings) -> Shuffle:
    """Group the selected pages into parts. Raises `InputError` if no page is selected."""
    pages, pages_per_part = inputs.rows(SELECTED_PAGES), selected.pages_per_part
    if not pages:
        raise InputError(
            f"crawl.index.where selects none of the {inputs.counters(SELECTED_PAGES)['index_rows']} rows of "
            "crawl.index.paths, so there is nothing to read; relax the conditions (mimes and statuses count, too)"
        )
    buckets = -(-pages // pages_per_part)

    def rows(part: PartFiles) -> pa.Table:
        table = part.read(SELECTED_PAGES)
        paths = table["warc_filename"].combine_chunks().dictionary_encode()
        groups = [f"{stable_number(path) % buckets:06d}" for path in paths.dictionary.to_pylist()]
        return table.append_column("group", pa.array(groups, pa.string()).take(paths.indices))

    def split(table: pa.Table) -> Sequence[tuple[str, pa.Table]]:
        starts = range(0, table.num_rows, pages_per_part)
        return [(f"-{number:04d}", table.slice(start, pages_per_part)) for number, start in enumerate(starts)]

    return Shuffle(map=rows, reduce=_in_order, split=split)


def _in_order(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """The pages of a group of WARC files by file and offset, each once, even if two index files name it."""
    names = LOCATION_SCHEMA.names
    ordered = group.select(names).sort_by([(name, "ascending") for name in names]).combine_chunks()
    same = pc.and_(
        *(pc.equal(ordered[name].slice(1), ordered[name].slice(0, ordered.num_rows - 1)) for name in names[:2])
    )
    first = pa.array([True, *(not again for again in same.to_pylist())])
    kept = ordered.filter(first)
    return kept, {"pages": kept.num_rows, "pages_dropped.same_place": ordered.num_rows - kept.num_rows}
