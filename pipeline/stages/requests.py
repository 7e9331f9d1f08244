"""Stage `requests`: each image URL of the run once, grouped by host, with the archive's own copy where there is one.

A host's URLs are all in one group, so that one task at a time owns a host (DESIGN contract 6). The place in the archive
is the first by path and offset among the responses of status 200; a URL that only answered with another status
keeps that status.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.grouping import Grouping
from pipeline.ledger import LedgerEntry
from pipeline.names import stable_number
from pipeline.run import Run
from pipeline.stages.tables import ARCHIVE_SCHEMA, REQUEST_SCHEMA
from pipeline.urls import host_of, without_fragment
from schemas.table import to_table

_ROWS = pa.schema([("group", pa.string()), ("part", pa.string()), *ARCHIVE_SCHEMA])


def grouping(fingerprint: str, references: int, urls_per_part: int) -> Grouping:
    """The grouping of image URLs; `references` is how many image references the documents hold."""
    groups = max(1, -(-references // urls_per_part))

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        wanted = [{"url": url, "part": entry.part} for url in sorted(_wanted(run, entry.part))]
        found = _read(run, f"images/archive/{entry.part}.parquet").to_pylist()
        for row in (*wanted, *found):
            row["url"] = without_fragment(row["url"])
            row["group"] = f"{group_of(row['url'], groups):05d}"
        return pa.Table.from_pylist([*wanted, *found], schema=_ROWS)

    return Grouping(name="requests", fingerprint=fingerprint, rows=rows, gather=_gather, folder="images/requests")


def group_of(url: str, groups: int) -> int:
    """The group of a URL's host; an image that the page itself carries (`data:`) has none and goes by its bytes."""
    host = "" if url.startswith("data:") else host_of(url)
    return stable_number(host or url) % groups


def _wanted(run: Run, part: str) -> set[str]:
    images = _read(run, f"documents/unique/{part}.parquet", ["images"])["images"].combine_chunks()
    if not len(images):
        return set()
    # The nulls, where texts stand, go first: a field of a null struct reads as an empty string.
    references = images.flatten().drop_null()
    fetched = references.filter(references.field("status").is_null())  # a video has its status already
    return set(fetched.field("url").to_pylist())


def _gather(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    parts: dict[str, set[str]] = {}
    places: dict[str, dict[str, Any]] = {}
    for row in group.to_pylist():
        if row["part"] is not None:
            parts.setdefault(row["url"], set()).add(row["part"])
        elif row["url"] not in places or _preference(row) < _preference(places[row["url"]]):
            places[row["url"]] = row
    requests = list(_requests(parts, places))
    return to_table(requests, REQUEST_SCHEMA), {"image_urls": len(requests)}


def _preference(row: dict[str, Any]) -> tuple[bool, str, int]:
    return row["status"] != 200, row["warc_path"], row["warc_offset"]


def _requests(parts: dict[str, set[str]], places: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for url in sorted(parts):
        place = places.get(url, {})
        row = {name: place.get(name) for name in ARCHIVE_SCHEMA.names}
        yield {**row, "url": url, "parts": sorted(parts[url])}


def _read(run: Run, name: str, columns: list[str] | None = None) -> pa.Table:
    with run.fs.open(run.full(name), "rb") as file:
        return pq.read_table(file, columns=columns)
