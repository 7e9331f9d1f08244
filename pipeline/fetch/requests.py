"""Stage `requests`: each image URL of the run once, grouped by host, with the archive's own copy where there is one.

A host's URLs are all in one group, so that one task at a time owns a host (DESIGN contract 6). A group is one file, or
several if a host in it has more than `fetch.urls_per_host`: these are fetched one after the other. The place in the
archive is the first by path and offset among the responses of status 200; a URL that only answered with another status
keeps that status. What the recipe's lists or a page's own words rule out stays in the file, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m3w.pipeline.crawl.urls import host_of, stable_number, without_fragment
from m3w.pipeline.engine.group_by import Grouping
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.run import Run
from m3w.pipeline.filters.blocklist import BlockList
from m3w.pipeline.filters.consent import OPTED_OUT, OptOut
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import ARCHIVE_SCHEMA, REQUEST_SCHEMA
from m3w.schemas.table import to_table

DECLARED_TOO_SMALL = "declared_too_small"
ROWS = pa.schema(
    [
        ("group", pa.string()),
        ("part", pa.string()),
        ("small", pa.bool_()),
        ("url", pa.string()),
        ("archive_status", pa.int32()),
        *(field for field in ARCHIVE_SCHEMA if field.name not in ("url", "status")),
    ]
)


def group_count(references: int, urls_per_part: int) -> int:
    """How many groups of hosts; `references` is how many image references the documents hold."""
    return max(1, -(-references // urls_per_part))


def grouping(fingerprint: str, groups: int, recipe: Recipe, refusal: Callable[[str], str | None]) -> Grouping:
    """The grouping of image URLs by host; `refusal` gives the status of a URL that is not to be asked for.

    Of the recipe's rules on images it depends on `smallest_side` alone, which therefore is in its fingerprint.
    """
    smallest = smallest_side(recipe)
    per_host = recipe.fetch.urls_per_host

    def rows(run: Run, entry: LedgerEntry) -> pa.Table:
        wanted = [
            {"url": url, "part": entry.part, "small": small}
            for url, small in sorted(_wanted(run, entry.part, smallest).items())
        ]
        found = _read(run, f"images/archive/{entry.part}.parquet").to_pylist()
        for row in found:
            row["archive_status"] = row.pop("status")
        for row in (*wanted, *found):
            row["url"] = without_fragment(row["url"])
            row["group"] = group_of(row["url"], groups)
        return pa.Table.from_pylist([*wanted, *found], schema=ROWS)

    def gather(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        requests = list(_requests(group, refusal))
        return to_table(requests, REQUEST_SCHEMA), {"image_urls": len(requests)}

    return Grouping(
        name="requests",
        fingerprint=f"{fingerprint} {smallest:g}",
        rows=rows,
        gather=gather,
        folder="images/requests",
        pieces=lambda table: in_turns(table, per_host),
    )


def refusal(recipe: Recipe) -> Callable[[str], str | None]:
    """The status of a URL that the recipe's lists rule out; None for the others. Raises `InputError`."""
    opt_out, blocked = OptOut.from_files(recipe.consent.opt_out), BlockList.from_recipe(recipe.urls.images)
    return lambda url: OPTED_OUT if opt_out.covers(url) else blocked.reason(url)


def group_of(url: str, groups: int) -> str:
    """The group of a URL's host; an image that the page itself carries (`data:`) has none and goes by its bytes."""
    host = "" if url.startswith("data:") else host_of(url)
    return f"{stable_number(host or url) % groups:05d}"


def in_turns(requests: pa.Table, per_host: int) -> list[tuple[str, pa.Table]]:
    """The requests of a group cut so that no piece holds more than `per_host` of one host: `-000`, `-001`, ..."""
    seen: Counter[str] = Counter()
    turns: list[int] = []
    for url in requests["location"].to_pylist():
        host = "" if url.startswith("data:") else host_of(url)
        turns.append(seen[host] // per_host)
        seen[host] += bool(host)
    turn = pa.array(turns, pa.int32())
    return [(f"-{n:03d}", requests.filter(pc.equal(turn, n))) for n in range(max(turns, default=0) + 1)]


def smallest_side(recipe: Recipe) -> float:
    """Pixels; an image that its page declares with a shorter side is not asked of the web, as a rule would drop it.

    What lies in the archive costs nobody anything: there it is looked at.
    """
    if recipe.fetch.source != "web":
        return 0.0
    rules = recipe.rules.image.items()
    return max((rule.min or 0.0 for name, rule in rules if (rule.signal or name) == "shorter_side"), default=0.0)


def _wanted(run: Run, part: str, smallest: float) -> dict[str, bool]:
    """The image URLs of a part's documents; True for those that are nowhere declared as large as `smallest`."""
    images = _read(run, f"documents/unique/{part}.parquet", ["images"])["images"].combine_chunks()
    if not len(images):
        return {}
    # The nulls, where texts stand, go first: a field of a null struct reads as an empty string.
    references = images.flatten().drop_null()
    references = references.filter(references.field("status").is_null())  # a video has its status already
    side = pc.min_element_wise(
        references.field("declared_width"), references.field("declared_height"), skip_nulls=False
    )
    small = pc.fill_null(pc.less(side, smallest), False)
    wanted: dict[str, bool] = {}
    for url, is_small in zip(references.field("url").to_pylist(), small.to_pylist(), strict=True):
        wanted[url] = wanted.get(url, True) and is_small
    return wanted


def _requests(group: pa.Table, refusal: Callable[[str], str | None]) -> Iterator[dict[str, Any]]:
    """The group's requests by URL."""
    parts: dict[str, set[str]] = {}
    large: set[str] = set()
    places: dict[str, dict[str, Any]] = {}
    for row in group.to_pylist():
        if row["part"] is not None:
            parts.setdefault(row["url"], set()).add(row["part"])
            large |= set() if row["small"] else {row["url"]}
        elif row["url"] not in places or _preference(row) < _preference(places[row["url"]]):
            places[row["url"]] = row
    for url in sorted(parts):
        place = places.get(url, {})
        refused = refusal(url) or (None if url in large else DECLARED_TOO_SMALL)
        known = {name: place.get(name) for name in ("archive_status", "warc_path", "warc_offset", "crawled_at")}
        yield {"url": url, "location": url, "hops": 0, "refused": refused, "parts": sorted(parts[url]), **known}


def _preference(row: dict[str, Any]) -> tuple[bool, str, int]:
    return row["archive_status"] != 200, row["warc_path"], row["warc_offset"]


def _read(run: Run, name: str, columns: list[str] | None = None) -> pa.Table:
    with run.fs.open(run.full(name), "rb") as file:
        return pq.read_table(file, columns=columns)
