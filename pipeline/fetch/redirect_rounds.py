"""Runs the stage `fetch` in rounds: a redirect to another host is followed by the part that has this host.

A part is named after its requests, so two parts with the same name request the same. Parts that are no longer in the
plan stay until the stage is done, because new parts reuse their results instead of sending requests again. A part with
transient failures is planned again, as a new generation, once `fetch.retry_after_days` have passed.

A task does not follow a redirect to another host, because that host belongs to another task. The grouping `redirects`
moves such URLs to the group of the target host, and a further round of parts requests them there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.engine.inputs import Entries, Inputs, sum_counters
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Part, PartStage, Shuffle, grouped
from m3w.pipeline.engine.stage_io import PartFiles
from m3w.pipeline.fetch.host import REDIRECTED
from m3w.pipeline.fetch.requests import group_count, group_of, in_turns
from m3w.pipeline.tables import EARLIER_RESULTS, INDEX, REDIRECTS, REQUEST_SCHEMA, REQUESTS

if TYPE_CHECKING:
    from m3w.pipeline.engine.executor import Executor
    from m3w.pipeline.fetch.stage import FetchSettings


def fetch_in_rounds(executor: Executor, stage: PartStage, fetch: FetchSettings, inputs: Inputs) -> Entries:
    """Run rounds until no redirect is left; the committed parts, which together have a status for every URL."""
    fingerprint = executor.fingerprint(stage, fetch)
    requests: Iterable[Output] = inputs.outputs(REQUESTS).values()
    planned: set[str] = set()
    fetched: Entries = {}
    committed = executor.run.entries(stage.name)  # read once; each round adds its entries
    executor.run.remove(EARLIER_RESULTS.folder)  # left by a killed build, which may have had other groups
    for number in itertools.count(1):
        parts = plan(requests, committed, fingerprint, fetch, executor.now(), settled=fetched)
        planned |= {part.name for part in parts}
        parts = _with_earlier(executor, stage, fetch, inputs, committed, parts, planned, fingerprint)
        done = executor.run_parts(stage, fetch, parts, committed)
        fetched |= done
        committed |= done
        if not sum_counters(done.values())["redirects"]:
            break
        folder = f"{REDIRECTS.folder}/{number}"
        grouped_by_host = executor.run_grouping(
            redirects, fetch, inputs.with_entries(stage, done), part=str(number), folder=folder
        )
        requests = [output for entry in grouped_by_host.values() for output in entry.outputs]
    if len(fetched) == len(planned):
        executor.forget(stage, fetched, committed)
        for further in executor.run.entries(redirects.name).keys() - {str(before) for before in range(1, number)}:
            executor.run.remove(f"ledger/{redirects.name}/{further}.json")
    return fetched


def plan(
    requests: Iterable[Output],
    committed: Entries,
    fingerprint: str,
    fetch: FetchSettings,
    now: datetime,
    settled: Entries | None = None,
) -> list[Part]:
    """A part for each file of requests.

    `committed` are the stage's committed parts; `settled` those of earlier rounds: a redirect to a URL that one of them
    has requested is not requested again.
    """
    newest = _newest(committed)
    by_group: dict[str, list[str]] = {}
    for name, entry in sorted((settled or {}).items()):
        by_group.setdefault(entry.metadata["group"], []).append(INDEX.path(name))
    return [_part(output, newest, by_group, fingerprint, fetch, now) for output in requests]


def _newest(committed: Entries) -> dict[str, LedgerEntry]:
    """Of the committed parts with the same requests, the newest; by the name of the requests."""
    newest: dict[str, LedgerEntry] = {}
    for entry in committed.values():
        asks = entry.metadata["asks"]
        if asks not in newest or newest[asks].metadata["generation"] < entry.metadata["generation"]:
            newest[asks] = entry
    return newest


def _part(
    output: Output,
    newest: dict[str, LedgerEntry],
    settled: dict[str, list[str]],
    fingerprint: str,
    fetch: FetchSettings,
    now: datetime,
) -> Part:
    stem = output.path.rpartition("/")[2].removesuffix(REQUESTS.suffix)
    group = stem.partition("-")[0]
    digest = hashlib.sha256(f"{fingerprint} {output.path} {output.sha256}".encode()).hexdigest()[:8]
    asks = f"{stem}-{digest}"
    generation = 1
    if asks in newest:
        generation = newest[asks].metadata["generation"] + _is_due(newest[asks], fetch, now)
    return Part(
        name=f"{asks}.{generation}",
        inputs=[f"{output.path} of sha256 {output.sha256}"],
        files=([output.path], [], settled.get(group, [])),
        params={"now": now.isoformat(), "asks": asks, "generation": generation, "group": group},
        exclusive_key=group,
    )


def _is_due(entry: LedgerEntry, fetch: FetchSettings, now: datetime) -> bool:
    oldest = entry.metadata["oldest_transient"]
    return oldest is not None and datetime.fromisoformat(oldest) <= now - timedelta(days=fetch.retry_after_days)


def _with_earlier(
    executor: Executor,
    stage: PartStage,
    fetch: FetchSettings,
    inputs: Inputs,
    committed: Entries,
    parts: list[Part],
    planned: set[str],
    fingerprint: str,
) -> list[Part]:
    """If a part has to run, group the results of parts outside the plan, and add its group's file to each part."""
    others = {n: entry for n, entry in committed.items() if n not in planned and entry.fingerprint == fingerprint}
    if not others or all(part.name in committed for part in parts):
        return parts
    grouped_by_host = executor.run_grouping(earlier, fetch, inputs.with_entries(stage, others))
    files = {output.path for entry in grouped_by_host.values() for output in entry.outputs}
    return [_with_file(part, EARLIER_RESULTS.path(part.params["group"]), files) for part in parts]


def _with_file(part: Part, path: str, existing: set[str]) -> Part:
    requests, _, settled = part.files
    return replace(part, files=(requests, [path] if path in existing else [], settled))


@settings
class EarlierSettings:
    urls_per_part: int = key("fetch.urls_per_part", effect="none")
    urls_per_host: int = key("fetch.urls_per_host", effect="none")


@grouped(reads=[INDEX], writes=EARLIER_RESULTS, settings=EarlierSettings)
def earlier(inputs: Inputs, fetch: EarlierSettings) -> Shuffle:
    """Group the results of earlier builds by the URL's host; of two results for a URL the newer one counts."""
    groups = group_count(inputs, fetch.urls_per_part)

    def rows(part: PartFiles) -> pa.Table:
        index = part.read(INDEX)
        index = index.filter(pc.and_(pc.greater(index["attempts"], 0), pc.not_equal(index["status"], REDIRECTED)))
        group = [group_of(url, groups) for url in index["url"].to_pylist()]
        return index.append_column("group", pa.array(group, pa.string()))

    def reduce(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        assert INDEX.schema is not None
        table = group.select(INDEX.schema.names).sort_by([("url", "ascending"), ("fetched_at", "descending")])
        urls = table["url"].to_pylist()
        newest = pa.array([n == 0 or url != urls[n - 1] for n, url in enumerate(urls)], pa.bool_())
        return table.filter(newest), {}

    return Shuffle(map=rows, reduce=reduce)


@grouped(reads=[INDEX], writes=REDIRECTS, settings=EarlierSettings)
def redirects(inputs: Inputs, fetch: EarlierSettings) -> Shuffle:
    """Group the redirected URLs of a round by their target host."""
    groups = group_count(inputs, fetch.urls_per_part)

    def rows(part: PartFiles) -> pa.Table:
        index = part.read(INDEX)
        index = index.filter(pc.equal(index["status"], REDIRECTED))
        columns = {"url": index["url"], "location": index["final_url"], "hops": index["hops"], "parts": index["parts"]}
        table = pa.table(
            [columns.get(field.name, pa.nulls(len(index), field.type)) for field in REQUEST_SCHEMA],
            names=REQUEST_SCHEMA.names,
        ).cast(REQUEST_SCHEMA)
        group = [group_of(location, groups) for location in table["location"].to_pylist()]
        return table.append_column("group", pa.array(group, pa.string()))

    def reduce(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        table = group.select(REQUEST_SCHEMA.names).cast(REQUEST_SCHEMA).sort_by("url")
        return table, {"image_urls": len(table)}

    return Shuffle(map=rows, reduce=reduce, split=lambda table: in_turns(table, fetch.urls_per_host))
