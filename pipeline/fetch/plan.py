"""What the stage `fetch` has to do: its parts, the redirects between hosts, and what earlier builds found.

A part is named after what it asks for, so two parts of one name ask for the same. What no part of the plan asks for any
more stays until the stage is done, since the new parts take over from it what they would have to ask for again; a
part with failures that may have passed is planned again under a new name once `fetch.retry_after_days` are over.

A redirect to another host is not followed by the task that meets it, as it does not own that host: the grouping
`redirects` brings such URLs to the group of the host they lead to, and a further wave of parts asks on there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import PurePath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.fetch.host import REDIRECTED
from m3w.pipeline.fetch.requests import group_of, in_turns
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.tables import INDEX_SCHEMA, REQUEST_SCHEMA

EARLIER = "images/earlier"


def plan(
    requested: LedgerEntry,
    known: dict[str, LedgerEntry],
    fingerprint: str,
    fetch: Fetch,
    now: datetime,
    settled: Iterable[str] = (),
) -> list[Part]:
    """A part for each file of requests.

    `known` are the committed parts of the stage, by name; `settled` the parts of the waves before: where a redirect
    leads to what one of them has asked for, it is not asked for again.
    """
    last = _last_of_each(known)
    parts = [_part(output, last, fingerprint, fetch, now) for output in requested.outputs]
    by_group: dict[str, list[str]] = {}
    for name in sorted(settled):
        by_group.setdefault(_group(name), []).append(f"images/index/{name}.parquet")
    for part in parts:
        part.work["settled"] = by_group.get(_group(part.name), [])
    return parts


def _group(name: str) -> str:
    """The group of hosts that a part's or a file's name begins with."""
    return name.partition("-")[0]


def _last_of_each(known: dict[str, LedgerEntry]) -> dict[str, tuple[int, LedgerEntry]]:
    """The newest of the committed parts that ask for the same, under what is before the last dot of their names."""
    last: dict[str, tuple[int, LedgerEntry]] = {}
    for name, entry in known.items():
        asked, _, time = name.rpartition(".")
        if asked not in last or last[asked][0] < int(time):
            last[asked] = int(time), entry
    return last


def _part(
    output: Output, last: dict[str, tuple[int, LedgerEntry]], fingerprint: str, fetch: Fetch, now: datetime
) -> Part:
    stem = PurePath(output.path).stem
    group = _group(stem)
    asked = hashlib.sha256(f"{fingerprint} {output.path} {output.sha256}".encode()).hexdigest()[:8]
    name = f"{stem}-{asked}"
    time, entry = last.get(name, (1, None))
    if entry is not None and _is_due(entry, fetch, now):
        time += 1
    return Part(
        name=f"{name}.{time}",
        inputs=[f"{output.path} of sha256 {output.sha256}"],
        work={"requests": output.path, "earlier": f"{EARLIER}/{group}.parquet", "now": now.isoformat()},
        owner=group,
    )


def _is_due(entry: LedgerEntry, fetch: Fetch, now: datetime) -> bool:
    oldest = entry.facts["oldest_transient"]
    return oldest is not None and datetime.fromisoformat(oldest) <= now - timedelta(days=fetch.retry_after_days)


def earlier(fingerprint: str, groups: int) -> Grouping:
    """The grouping of what earlier builds found, by the URL's group; the newest of what was asked for counts."""

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        index = _index(run, entry)
        asked = pc.and_(pc.greater(index["attempts"], 0), pc.not_equal(index["status"], REDIRECTED))
        index = index.filter(asked)
        group = [group_of(url, groups) for url in index["url"].to_pylist()]
        return index.append_column("group", pa.array(group, pa.string()))

    def gather(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        table = group.select(INDEX_SCHEMA.names).sort_by([("url", "ascending"), ("fetched_at", "descending")])
        urls = table["url"].to_pylist()
        newest = pa.array([n == 0 or url != urls[n - 1] for n, url in enumerate(urls)], pa.bool_())
        return table.filter(newest), {}

    return Grouping(name="earlier", fingerprint=fingerprint, rows=rows, gather=gather, folder=EARLIER)


def redirects(fingerprint: str, wave: int, groups: int, fetch: Fetch) -> Grouping:
    """The grouping of redirected URLs by the host they lead to."""

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        index = _index(run, entry)
        index = index.filter(pc.equal(index["status"], REDIRECTED))
        table = pa.table(
            {
                "url": index["url"],
                "location": index["final_url"],
                "hops": index["hops"],
                "refused": pa.nulls(len(index), pa.string()),
                "parts": index["parts"],
                "archive_status": pa.nulls(len(index), pa.int32()),
                "warc_path": pa.nulls(len(index), pa.string()),
                "warc_offset": pa.nulls(len(index), pa.int64()),
                "crawled_at": pa.nulls(len(index), REQUEST_SCHEMA.field("crawled_at").type),
            },
        ).cast(REQUEST_SCHEMA)
        group = [group_of(location, groups) for location in table["location"].to_pylist()]
        return table.append_column("group", pa.array(group, pa.string()))

    def gather(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        table = group.select(REQUEST_SCHEMA.names).cast(REQUEST_SCHEMA).sort_by("url")
        return table, {"image_urls": len(table)}

    return Grouping(
        name="redirects",
        part=str(wave),
        fingerprint=fingerprint,
        rows=rows,
        gather=gather,
        folder=f"images/redirects/{wave}",
        pieces=lambda table: in_turns(table, fetch.urls_per_host),
    )


def _index(run: Run, entry: LedgerEntry) -> pa.Table:
    with run.fs.open(run.full(f"images/index/{entry.part}.parquet"), "rb") as file:
        return pq.read_table(file)
