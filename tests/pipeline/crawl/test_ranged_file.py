"""Files over HTTP: reading resumes after every failure, at the byte where it failed, and never mixes two versions."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest

from m3w.pipeline.crawl.ranged_file import FileChanged, RangedFile, ReadFailed
from m3w.pipeline.crawl.section import Storage

CONTENT = random.Random(5).randbytes(600_000)
STORAGE = Storage(attempts=4, pause_s=0.001, timeout_s=0.3)


@pytest.fixture
def file(web: Any) -> RangedFile:
    web.files["a.warc.gz"] = CONTENT
    return RangedFile("a.warc.gz", lambda: f"{web.url}/a.warc.gz", STORAGE)


def first_bytes(web: Any) -> list[int]:
    """The first byte of each request."""
    return [int(asked.removeprefix("bytes=").partition("-")[0]) for _, asked in web.asked]


def test_a_file_that_is_read_through_is_one_request(web: Any, file: RangedFile) -> None:
    pieces = []
    while piece := file.read(70_001):
        pieces.append(piece)
    assert b"".join(pieces) == CONTENT
    assert [len(piece) for piece in pieces[:-1]] == [70_001] * (len(pieces) - 1), "a short read would mean the end"
    assert web.asked == [("/a.warc.gz", "bytes=0-")]


@pytest.mark.parametrize("fault", ["503", "429", "500", "reset", "short", "stall"])
def test_transient_errors_are_retried_and_reading_resumes_where_it_broke(
    web: Any, file: RangedFile, fault: str
) -> None:
    web.faults = ["ok", fault, fault]
    start = file.read(100)
    file.seek(0)
    file._drop()  # a new connection, which the first fault meets
    assert start + file.read()[100:] == CONTENT
    got = 0 if fault.isdecimal() else web.cut_after
    if fault == "reset":  # what lay in the socket may be lost with it
        assert len(web.asked) == 4 and sorted(first_bytes(web)) == first_bytes(web)
    else:
        assert first_bytes(web) == [0, 0, got, 2 * got]


def test_faults_in_a_row_end_the_reading_and_bytes_between_them_start_the_count_again(
    web: Any, file: RangedFile
) -> None:
    web.always = "short"
    assert file.read(len(CONTENT) + 1) == CONTENT
    assert len(web.asked) == len(CONTENT) // web.cut_after > 2 * STORAGE.attempts
    web.always = "503"
    file.seek(123)
    with pytest.raises(ReadFailed, match=r"a\.warc\.gz could not be read at byte 123: 4 attempts failed.*HTTP 503"):
        file.read(1)
    assert len(web.asked) == len(CONTENT) // web.cut_after + 4


def test_a_file_that_changed_meanwhile_is_an_error_and_never_a_splice(web: Any, file: RangedFile) -> None:
    for tagged in (True, False):
        web.tagged = tagged
        web.files["a.warc.gz"] = CONTENT
        file = RangedFile("a.warc.gz", lambda: f"{web.url}/a.warc.gz", STORAGE)
        web.faults = ["short"]
        assert file.read(50_000) == CONTENT[:50_000]
        web.files["a.warc.gz"] = CONTENT[::-1] if tagged else CONTENT[:-1]
        with pytest.raises(FileChanged, match=r"a\.warc\.gz changed while it was read"):
            file.read(1)


def test_seeking_asks_for_what_is_far_and_reads_over_what_is_near(web: Any, file: RangedFile) -> None:
    file.seek(-100, 2)
    assert file.read() == CONTENT[-100:]
    file.seek(1000)
    assert file.read(10) == CONTENT[1000:1010]
    before = len(web.asked)
    file.seek(500_000)
    assert file.read(10) == CONTENT[500_000:500_010]
    assert len(web.asked) == before, "half a MiB on is read over"
    file.seek(0)
    assert file.read(10) == CONTENT[:10]
    assert len(web.asked) == before + 1
    assert (file.seek(10**9), file.read(1)) == (10**9, b"")


def test_a_bounded_file_does_not_ask_for_more(web: Any, file: RangedFile) -> None:
    file.bound(1500)
    file.seek(1000)
    assert file.read(400) + file.read(100) == CONTENT[1000:1500]
    assert web.asked == [("/a.warc.gz", "bytes=1000-1499")]
    assert file.read(100) == CONTENT[1500:1600], "what was not foreseen is asked for"


def test_a_server_without_ranges_is_read_from_its_start(web: Any, file: RangedFile) -> None:
    web.always = "no_ranges"
    file.seek(400_000)
    assert file.read() == CONTENT[400_000:]


@pytest.mark.parametrize(
    ("status", "kind"),
    [("404", FileNotFoundError), ("410", FileNotFoundError), ("403", PermissionError), ("400", OSError)],
)
def test_what_will_not_pass_is_not_tried_again(web: Any, file: RangedFile, status: str, kind: type[OSError]) -> None:
    web.always = status
    with pytest.raises(kind, match=f"HTTP {status}"):
        file.read(1)
    assert len(web.asked) == 1


def test_empty_responses_and_other_ranges_are_refused(web: Any, file: RangedFile) -> None:
    web.faults = ["hollow", "hollow"]
    assert file.read(100) == CONTENT[:100]
    assert len(web.asked) == 3
    web.always = "hollow"
    file.seek(550_000)
    file._drop()
    with pytest.raises(ReadFailed, match="4 attempts failed, the last with an empty response"):
        file.read(1)
    web.always = "elsewhere"
    with pytest.raises(OSError, match="requested from byte 550000, but the server sent it from 550010"):
        file.read(1)


def test_an_empty_file_is_empty_and_a_dead_port_is_named(web: Any) -> None:
    web.files["empty"] = b""
    empty = RangedFile("empty", lambda: f"{web.url}/empty", STORAGE)
    assert (empty.read(5), empty.size) == (b"", 0)
    dead = RangedFile("dead.warc", lambda: "http://127.0.0.1:9/dead.warc", STORAGE)
    with pytest.raises(ReadFailed, match=r"dead\.warc could not be read at byte 0: 4 attempts failed.*refused"):
        dead.read(1)


def test_memory_stays_flat_over_a_large_file(web: Any) -> None:
    web.files["large"] = CONTENT * 100
    file = RangedFile("large", lambda: f"{web.url}/large", STORAGE)
    tracemalloc.start()
    try:
        total = 0
        while piece := file.read(256 * 1024):
            total += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 60_000_000
    assert peak < 8_000_000
