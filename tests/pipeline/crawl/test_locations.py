"""Pages read by position: neighbouring ones with one request, and no bytes far from any."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from typing import Any

import pytest

from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.warc import RecordLocation, read_locations
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.ledger import Fault

ArchiveRecord = Callable[..., bytes]


@pytest.fixture
def locations(archive_record: ArchiveRecord, web: Any) -> list[RecordLocation]:
    """Of 40 records of about 20 kB."""
    draw, items, content = random.Random(3), [], b""
    for number in range(40):
        member = gzip.compress(archive_record(f"http://a.example/{number}", draw.randbytes(20_000)))
        items.append(RecordLocation(f"{web.url}/a.warc.gz", len(content), len(member)))
        content += member
    web.files["a.warc.gz"] = content
    return items


def urls(locations: list[RecordLocation], **storage: Any) -> list[str]:
    settings = Storage(attempts=3, pause_s=0.001, timeout_s=2, **storage)
    items = list(read_locations(locations, max_block_bytes=2**20, storage=settings))
    assert not [item for item in items if isinstance(item, Fault)]
    return [item.url.rpartition("/")[2] for item in items if isinstance(item, WarcRecord) and item.url]


def test_near_pages_are_one_request_that_ends_with_the_last_of_them(web: Any, locations: list[RecordLocation]) -> None:
    chosen = [locations[n] for n in (3, 4, 6, 20, 22, 39)]
    assert urls(chosen, gap_kib=30) == ["3", "4", "6", "20", "22", "39"]
    spans = [(3, 6), (20, 22), (39, 39)]
    assert [asked for _, asked in web.asked] == [
        f"bytes={locations[a].offset}-{locations[b].end - 1}" for a, b in spans
    ]
    assert web.sent == sum(locations[b].end - locations[a].offset for a, b in spans)


def test_without_a_gap_each_page_is_a_request_but_for_neighbours(web: Any, locations: list[RecordLocation]) -> None:
    assert urls([locations[n] for n in (3, 4, 6)], gap_kib=0) == ["3", "4", "6"]
    assert [asked for _, asked in web.asked] == [
        f"bytes={locations[3].offset}-{locations[4].end - 1}",
        f"bytes={locations[6].offset}-{locations[6].end - 1}",
    ]


def test_a_broken_span_is_resumed_within_it(web: Any, locations: list[RecordLocation]) -> None:
    web.faults = ["short", "503", "reset"]
    assert urls(locations, gap_kib=30) == [str(n) for n in range(40)]
    assert all(asked.endswith(f"-{locations[-1].end - 1}") for _, asked in web.asked)


def test_pages_of_a_missing_file_are_an_error_that_names_it(web: Any, locations: list[RecordLocation]) -> None:
    web.files.clear()
    with pytest.raises(FileNotFoundError, match=r"a\.warc\.gz does not exist"):
        urls(locations)
