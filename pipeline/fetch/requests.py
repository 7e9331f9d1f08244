"""Stage `requests`: each image URL of the run once, grouped by host, with the archive's own copy if it has one.

All URLs of a host are in one group, so that one task at a time contacts a host. A group is one file, or several if a
host in it has more than `fetch.urls_per_host`; these are fetched one after the other. Of the archive's responses to a
URL, the first with status 200 counts, by path and offset; a URL with only other statuses keeps that status. A URL that
is excluded by the recipe's lists or by the size that its page declares stays in the file, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.crawl.urls import host_of, stable_number, without_fragment
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Shuffle, grouped
from m3w.pipeline.engine.stage_io import PartFiles
from m3w.pipeline.filters.blocklist import BlockList
from m3w.pipeline.filters.consent import OPTED_OUT, OptOut
from m3w.pipeline.filters.section import BlockedUrls
from m3w.pipeline.tables import ARCHIVED_IMAGES, REQUEST_SCHEMA, REQUESTS, UNIQUE
from m3w.schemas.table import to_table

DECLARED_TOO_SMALL = "declared_too_small"
ARCHIVED = ("warc_path", "warc_offset", "crawled_at")
assert ARCHIVED_IMAGES.schema is not None
ROWS = pa.schema(
    [
        ("group", pa.string()),
        ("part", pa.string()),
        ("small", pa.bool_()),
        ("url", pa.string()),
        ("archive_status", pa.int32()),
        *(ARCHIVED_IMAGES.schema.field(name) for name in ARCHIVED),
    ]
)
Refusal = Callable[[str], str | None]
"""A function that gives the status of a URL that the recipe's lists exclude, and None for other URLs."""


@settings
class RequestSettings:
    urls_per_part: int = key("fetch.urls_per_part")
    urls_per_host: int = key("fetch.urls_per_host")
    blocked: BlockedUrls = key("urls.images")
    opt_out: list[NamedFile] = key("consent.opt_out")
    smallest_side: float = key("smallest_side")
    """Pixels; an image that its page declares with a shorter side is not requested, since a rule would drop it."""


def refusal(requests: RequestSettings) -> Refusal:
    """The `Refusal` for the recipe's lists. Raises `InputError` for a list that cannot be read."""
    opt_out, blocked = OptOut.from_files(requests.opt_out), BlockList.from_recipe(requests.blocked)
    return lambda url: OPTED_OUT if opt_out.covers(url) else blocked.reason(url)


def check(requests: RequestSettings) -> None:
    refusal(requests)


def group_count(inputs: Inputs, urls_per_part: int) -> int:
    """The number of groups of hosts, from the number of image references in the documents."""
    references = inputs.counters(ARCHIVED_IMAGES)["image_references"]
    return max(1, -(-references // urls_per_part))


@grouped(
    reads=[UNIQUE, ARCHIVED_IMAGES],
    writes=REQUESTS,
    settings=RequestSettings,
    check=check,
    units=("image_urls",),
    cause="fetch",
)
def requests(inputs: Inputs, requests: RequestSettings) -> Shuffle:
    """Group the image URLs of documents by host."""
    groups, refused = group_count(inputs, requests.urls_per_part), refusal(requests)

    def rows(part: PartFiles) -> pa.Table:
        wanted = [
            {"url": url, "part": part.part, "small": small}
            for url, small in sorted(_wanted(part, requests.smallest_side).items())
        ]
        archived = part.read(ARCHIVED_IMAGES).to_pylist()
        for row in archived:
            row["archive_status"] = row.pop("status")
        for row in (*wanted, *archived):
            row["url"] = without_fragment(row["url"])
            row["group"] = group_of(row["url"], groups)
        return pa.Table.from_pylist([*wanted, *archived], schema=ROWS)

    def reduce(group: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        requested = list(_requests(group, refused))
        return to_table(requested, REQUEST_SCHEMA), {"image_urls": len(requested)}

    return Shuffle(map=rows, reduce=reduce, split=lambda table: in_turns(table, requests.urls_per_host))


def group_of(url: str, groups: int) -> str:
    """The group of a URL's host; for an embedded image (`data:`), which has no host, by the hash of its URL."""
    host = "" if url.startswith("data:") else host_of(url)
    return f"{stable_number(host or url) % groups:05d}"


def in_turns(requests: pa.Table, per_host: int) -> list[tuple[str, pa.Table]]:
    """Split a group's requests so that no piece has more than `per_host` of one host: `-000`, `-001`, ..."""
    seen: Counter[str] = Counter()
    turns: list[int] = []
    for url in requests["location"].to_pylist():
        host = "" if url.startswith("data:") else host_of(url)
        turns.append(seen[host] // per_host)
        seen[host] += bool(host)
    turn = pa.array(turns, pa.int32())
    return [(f"-{n:03d}", requests.filter(pc.equal(turn, n))) for n in range(max(turns, default=0) + 1)]


def _wanted(part: PartFiles, smallest: float) -> dict[str, bool]:
    """The image URLs of a part's documents; True for those that no page declares as large as `smallest`."""
    images = part.read(UNIQUE, columns=["images"])["images"].combine_chunks()
    if not len(images):
        return {}
    # First drop the nulls, at the positions of texts: a field of a null struct reads as an empty string.
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


def _requests(group: pa.Table, refusal: Refusal) -> Iterator[dict[str, Any]]:
    """The group's requests by URL."""
    parts: dict[str, set[str]] = {}
    large: set[str] = set()
    archived: dict[str, dict[str, Any]] = {}
    for row in group.to_pylist():
        if row["part"] is not None:
            parts.setdefault(row["url"], set()).add(row["part"])
            large |= set() if row["small"] else {row["url"]}
        elif row["url"] not in archived or _preference(row) < _preference(archived[row["url"]]):
            archived[row["url"]] = row
    for url in sorted(parts):
        refused = refusal(url) or (None if url in large else DECLARED_TOO_SMALL)
        response = {name: archived.get(url, {}).get(name) for name in ("archive_status", *ARCHIVED)}
        yield {"url": url, "location": url, "hops": 0, "refused": refused, "parts": sorted(parts[url]), **response}


def _preference(row: dict[str, Any]) -> tuple[bool, str, int]:
    return row["archive_status"] != 200, row["warc_path"], row["warc_offset"]
