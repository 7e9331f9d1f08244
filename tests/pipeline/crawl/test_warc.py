"""Archives as crawlers write them: every readable record is read, and every fault is reported with its offset."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import random
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m3w.pipeline.crawl.archive_stream import BLOCK_BYTES
from m3w.pipeline.crawl.http_body import BodyError, response_body
from m3w.pipeline.crawl.warc import read_archive, read_records
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.ledger import Fault

MIB = 2**20
ArchiveRecord = Callable[..., bytes]

ARC = (
    b"filedesc://crawl.arc 127.0.0.1 20140216050221 text/plain 75\n1 0 LiveWeb Capture\n"
    b"URL IP-address Archive-date Content-type Archive-length\n\n"
)


def arc_record(url: str, body: bytes) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    return f"{url} 93.184.216.119 20140216050221 text/html {len(block)}\n".encode() + block + b"\n"


def read(content: bytes, *, max_block_bytes: int = MIB, at: int = 0) -> tuple[list[WarcRecord], list[Fault]]:
    file = io.BytesIO(content)
    file.seek(at)
    items = list(read_records(file, "crawl.warc", max_block_bytes=max_block_bytes))
    return [i for i in items if isinstance(i, WarcRecord)], [i for i in items if isinstance(i, Fault)]


def urls(records: Iterable[WarcRecord]) -> list[str | None]:
    return [record.url for record in records]


def reasons(faults: Iterable[Fault]) -> list[tuple[int, str]]:
    return [(fault.offset, fault.reason) for fault in faults]


def random_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


# Whole records


def test_a_record_has_its_position_crawl_time_and_status(
    archive_record: ArchiveRecord,
) -> None:
    first = archive_record(kind="warcinfo", body=b"software: x")
    second = archive_record("http://a.example/x", b"<p>body</p>", status="404 Not Found", headers=("X-A: 1", "x-a: 2"))
    records, faults = read(first + second)
    assert faults == []
    assert [record.kind for record in records] == ["warcinfo", "response"]
    page = records[1]
    assert (page.url, page.status, page.mime, page.block) == ("http://a.example/x", 404, "text/html", b"<p>body</p>")
    assert page.crawled_at == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (page.path, page.offset, page.length) == ("crawl.warc", len(first), len(second) - 4)
    assert page.http_headers["x-a"] == "2"


@pytest.mark.parametrize(
    "date", ["", "yesterday", "2020-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_an_invalid_time_costs_only_the_time(archive_record: ArchiveRecord, date: str) -> None:
    records, faults = read(archive_record(date=date))
    assert [record.crawled_at for record in records] == [None]
    assert faults == []


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
def test_reading_at_a_records_offset_gives_the_same_record(archive_record: ArchiveRecord, compressed: bool) -> None:
    pieces = [archive_record(f"http://a.example/{n}", random_bytes(n * 997, n)) for n in range(60)]
    content = b"".join(gzip.compress(piece) if compressed else piece for piece in pieces)
    records, faults = read(content)
    assert (len(records), faults) == (60, [])
    for record in records:
        again = read(content, at=record.offset)[0][0]
        assert again == record
        assert record.length is not None
        alone, no_faults = read(content[record.offset : record.offset + record.length])
        assert (urls(alone), [r.block for r in alone], no_faults) == ([record.url], [record.block], [])


@pytest.mark.parametrize("before", range(-6, 7))
@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
def test_a_record_that_begins_near_the_end_of_a_read_block_is_found(
    archive_record: ArchiveRecord, before: int, compressed: bool
) -> None:
    """A block is what is read at once; where it ends must not matter."""
    next_one = archive_record("http://a.example/next")
    if compressed:
        shell = len(gzip.compress(b"", 0)) + len(archive_record(body=b""))
        size = BLOCK_BYTES - shell + before
        pieces = []
        for padding in range(size - 40, size + 1):  # stored blocks cost some bytes of their own
            pieces = [gzip.compress(archive_record(body=random_bytes(padding)), 0), gzip.compress(next_one)]
            if len(pieces[0]) == BLOCK_BYTES + before:
                break
    else:
        empty = len(archive_record(body=b"", length=100_000))
        body = random_bytes(BLOCK_BYTES + before - empty)
        pieces = [archive_record(body=body), next_one]
    assert len(pieces[0]) == BLOCK_BYTES + before
    records, faults = read(b"".join(pieces))
    assert (urls(records), faults) == (["http://site.example/", "http://a.example/next"], [])


def test_line_ends_may_be_bare(archive_record: ArchiveRecord) -> None:
    length = len(b"HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8\n\n<p>x</p>")
    text = b"".join(archive_record(f"http://a.example/{n}", b"<p>x</p>", length=length) for n in range(3))
    unix = text.replace(b"\r\n", b"\n")
    assert b"\r" not in unix
    records, faults = read(unix)
    assert (urls(records), faults) == ([f"http://a.example/{n}" for n in range(3)], [])
    assert {record.block for record in records} == {b"<p>x</p>"}


def test_header_names_are_read_in_any_case(archive_record: ArchiveRecord) -> None:
    head, _, rest = archive_record("http://a.example/").partition(b"WARC-Date")
    low = head.lower().replace(b"warc/1.0", b"WARC/1.0") + (b"WARC-Date" + rest).replace(b"Content-", b"CONTENT-")
    records, faults = read(low)
    assert (urls(records), [record.kind for record in records], faults) == (["http://a.example/"], ["response"], [])


def test_a_file_compressed_as_one_member_gives_every_record(archive_record: ArchiveRecord) -> None:
    records, faults = read(gzip.compress(b"".join(archive_record(f"http://a.example/{n}") for n in range(5))))
    assert (len(records), faults) == (5, [])
    assert {(record.offset, record.length) for record in records} == {(0, None)}, "they share one offset in the file"


def test_a_record_split_over_two_gzip_members_is_read_whole(archive_record: ArchiveRecord) -> None:
    first, second = archive_record("http://a.example/1", b"<p>one</p>"), archive_record("http://a.example/2")
    for cut in (30, first.index(b"HTTP/1.1"), first.index(b"<p>") + 2):
        content = gzip.compress(first[:cut]) + gzip.compress(first[cut:-4]) + gzip.compress(first[-4:] + second)
        records, faults = read(content)
        assert (urls(records), records[0].block, faults) == (
            ["http://a.example/1", "http://a.example/2"],
            b"<p>one</p>",
            [],
        )
        assert records[0].length == len(gzip.compress(first[:cut]) + gzip.compress(first[cut:-4]))


def test_arc_files_are_read_plain_and_compressed_and_at_an_offset() -> None:
    pages = [arc_record(f"http://a.example/{n}", b"<p>x</p>") for n in range(3)]
    for content in (ARC + b"".join(pages), b"".join(map(gzip.compress, (ARC, *pages)))):
        records, faults = read(content)
        assert faults == []
        assert urls(records)[1:] == [f"http://a.example/{n}" for n in range(3)]
        assert [record.kind for record in records] == ["warcinfo", "response", "response", "response"]
        assert {(record.status, record.mime, record.block) for record in records[1:]} == {
            (200, "text/html", b"<p>x</p>")
        }
        assert records[1].crawled_at == datetime(2014, 2, 16, 5, 2, 21, tzinfo=UTC)
        assert urls(read(content, at=records[2].offset)[0])[0] == "http://a.example/1"


# Damage


def test_a_damaged_gzip_member_costs_its_record_and_is_named_with_its_offset(archive_record: ArchiveRecord) -> None:
    members = [gzip.compress(archive_record(f"http://a.example/{n}", random_bytes(5000, n))) for n in range(5)]
    offset = len(members[0] + members[1])
    for position in (
        12,
        200,
        3000,
        len(members[2]) - 6,
    ):  # behind the header, in the text, in the body, in the checksum
        broken = bytearray(b"".join(members))
        for i in range(4):
            broken[offset + position + i - 2] ^= 0x5A
        records, faults = read(bytes(broken))
        assert urls(records) == [f"http://a.example/{n}" for n in (0, 1, 3, 4)], position
        assert reasons(faults) == [(offset, "damaged_gzip_member")], position


def test_a_damaged_member_of_an_arc_file_costs_itself_too() -> None:
    members = [gzip.compress(piece) for piece in (ARC, *(arc_record(f"http://a.example/{n}", b"x") for n in range(4)))]
    broken = bytearray(members[2])
    broken[-8] ^= 0xFF
    records, faults = read(b"".join((*members[:2], bytes(broken), *members[3:])))
    assert urls(records)[1:] == [f"http://a.example/{n}" for n in (0, 2, 3)]
    assert reasons(faults) == [(len(members[0] + members[1]), "damaged_gzip_member")]


def test_magic_numbers_inside_damaged_data_are_not_faults_of_their_own(archive_record: ArchiveRecord) -> None:
    body = b"".join(b"\x1f\x8b\x08" + random_bytes(50, n) for n in range(20))
    inner = gzip.compress(b"no record at all")
    members = [gzip.compress(archive_record(f"http://a.example/{n}", body + inner + body), 0) for n in range(3)]
    broken = bytearray(members[1])
    broken[-8] ^= 0xFF
    records, faults = read(members[0] + bytes(broken) + members[2])
    assert urls(records) == ["http://a.example/0", "http://a.example/2"]
    assert reasons(faults) == [(len(members[0]), "damaged_gzip_member")]


def test_junk_between_records_is_named_and_passed_over(archive_record: ArchiveRecord) -> None:
    one, two = archive_record("http://a.example/1"), archive_record("http://a.example/2")
    records, faults = read(one + b"garbage\nmore\n" + two)
    assert (len(records), reasons(faults)) == (2, [(len(one) - 4, "junk_after_record")])
    one, two = gzip.compress(one), gzip.compress(two)
    records, faults = read(one + b"garbage" + two)
    assert (len(records), reasons(faults)) == (2, [(len(one), "junk_after_member")])


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
def test_a_bad_header_in_the_middle_costs_its_record(archive_record: ArchiveRecord, compressed: bool) -> None:
    """Also where all records share one gzip member, in which no magic number shows the next."""
    good = [archive_record(f"http://a.example/{n}") for n in range(3)]
    for bad, reason in (
        (archive_record("http://a.example/bad", length="very lengthy"), "bad_content_length"),
        (archive_record("http://a.example/bad", length=-5), "bad_content_length"),
        (archive_record("http://a.example/bad").replace(b"WARC-Target-URI", b"X-Elsewhere"), "no_target_uri"),
        (archive_record("http://a.example/bad").replace(b"WARC-Type: response\r\n", b""), "bad_record_header"),
        (archive_record("http://a.example/bad").replace(b"WARC/1.0", b"WARC/7.7"), "bad_record_header"),
    ):
        content = good[0] + bad + good[1] + good[2]
        records, faults = read(gzip.compress(content) if compressed else content)
        assert urls(records) == [f"http://a.example/{n}" for n in range(3)], reason
        assert reasons(faults) == [(0 if compressed else len(good[0]), reason)]


def test_arc_records_after_a_bad_one_are_read() -> None:
    bad = arc_record("http://a.example/bad", b"x").replace(b"text/html ", b"text/html -")
    content = ARC + bad + arc_record("http://a.example/1", b"x") + arc_record("http://a.example/2", b"x")
    for archive in (content, gzip.compress(content)):
        records, faults = read(archive)
        assert urls(records)[1:] == ["http://a.example/1", "http://a.example/2"]
        assert [fault.reason for fault in faults] == ["bad_content_length"]


def test_a_length_that_swallows_the_next_record_costs_the_liar_and_gives_the_next(
    archive_record: ArchiveRecord,
) -> None:
    first, liar = archive_record("http://a.example/1"), archive_record("http://a.example/liar", length=500)
    content = first + liar + archive_record("http://a.example/2", b"x" * 900) + archive_record("http://a.example/3")
    records, faults = read(content)
    assert urls(records) == ["http://a.example/1", "http://a.example/2", "http://a.example/3"]
    assert reasons(faults) == [(len(first), "bad_content_length")]
    assert faults[0].url == "http://a.example/liar"


def test_a_length_that_is_too_short_keeps_the_record_and_names_the_rest(archive_record: ArchiveRecord) -> None:
    length = len(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>hello")
    short = archive_record("http://a.example/1", b"<p>hello</p>", length=length)
    records, faults = read(short + archive_record("http://a.example/2"))
    assert urls(records) == ["http://a.example/1", "http://a.example/2"]
    assert records[0].block == b"<p>hello"
    assert reasons(faults) == [(short.index(b"</p>"), "junk_after_record")]


def test_a_truncated_file_gives_what_it_has_of_its_last_record(archive_record: ArchiveRecord) -> None:
    content = archive_record("http://a.example/1") + archive_record("http://a.example/2", b"<p>" + b"x" * 100)
    records, faults = read(content[:-50])
    assert (urls(records), records[1].block) == (["http://a.example/1", "http://a.example/2"], b"<p>" + b"x" * 54)
    assert [fault.reason for fault in faults] == ["truncated_record"]
    members = gzip.compress(archive_record("http://a.example/1")) + gzip.compress(
        archive_record("http://a.example/2", random_bytes(50_000))
    )
    records, faults = read(members[:-20_000])
    assert urls(records) == ["http://a.example/1", "http://a.example/2"]
    assert 25_000 < len(records[1].block) < 35_000
    assert [fault.reason for fault in faults] == ["truncated_record"]


def test_a_header_without_end_is_skipped_and_the_next_record_is_read(archive_record: ArchiveRecord) -> None:
    endless = archive_record("http://a.example/1", warc_headers=("X-Long: " + "y" * 2 * MIB,))
    many = archive_record("http://a.example/1", warc_headers=tuple(f"X-{n}: {'y' * 50}" for n in range(40_000)))
    next_one = archive_record("http://a.example/2")
    for bad, pack in itertools.product((endless, many), (bytes, gzip.compress)):
        tracemalloc.start()
        records, faults = read(pack(bad + next_one))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert urls(records) == ["http://a.example/2"]
        assert reasons(faults) == [(0, "header_too_long")]
        assert peak < 32 * MIB


def test_a_record_longer_than_is_wanted_is_passed_over_in_bounded_memory(archive_record: ArchiveRecord) -> None:
    content = archive_record("http://a.example/big", bytes(64 * MIB)) + archive_record("http://a.example/2")
    packed = gzip.compress(content)
    del content
    tracemalloc.start()
    records, faults = read(packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (urls(records), faults) == (["http://a.example/big", "http://a.example/2"], [])
    assert (records[0].oversize, records[0].block, records[1].oversize) == (True, b"", False)
    assert peak < 8 * MIB
    with pytest.raises(BodyError, match="body_too_large"):
        response_body(records[0], max_bytes=MIB)


def test_a_length_beyond_all_measure_does_no_harm(archive_record: ArchiveRecord) -> None:
    records, faults = read(archive_record("http://a.example/1", length=10**30))
    assert (urls(records), [fault.reason for fault in faults]) == (["http://a.example/1"], ["truncated_record"])


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n", b"\n"])
def test_a_file_without_a_record_is_a_fault(content: bytes) -> None:
    assert read(content) == ([], [Fault(path="crawl.warc", offset=0, reason="empty_file")])


@pytest.mark.parametrize(
    ("magic", "name"),
    [(b"\x04\x22\x4d\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh9", "bzip2"), (b"\xfd7zXZ\x00", "xz")],
)
def test_a_compression_that_is_not_read_is_named(magic: bytes, name: str) -> None:
    records, faults = read(magic + random_bytes(100))
    assert records == []
    assert [(fault.reason, fault.detail) for fault in faults] == [("unsupported_compression", name)]


def test_bytes_that_are_no_archive_are_one_fault() -> None:
    for content in (random_bytes(3 * BLOCK_BYTES), b"<!doctype html><p>", gzip.compress(b"part-1\npart-2\n")):
        records, faults = read(content)
        assert (records, reasons(faults)) == ([], [(0, "not_a_record")])


def test_no_mutation_of_an_archive_makes_the_reader_raise(archive_record: ArchiveRecord) -> None:
    rng = random.Random(7)
    pieces = (
        b"WARC/1.0\r\n", b"\r\n\r\n", b"Content-Length: 7\r\n", b"\x00", b"\xff", b": ", b"\n ", b"HTTP/1.1 200 OK\r\n",
        b"Content-Encoding: br\r\n", b"Content-Encoding: deflate\r\n", b"Transfer-Encoding: chunked\r\n", b"\x1f\x8b\x08",
    )  # fmt: skip
    kinds = ("response", "request", "warcinfo", "revisit")
    clean = b"".join(archive_record(f"http://a.example/{kind}", b"<p>x</p>" * 9, kind=kind) for kind in kinds)
    for _ in range(1500):
        content = bytearray(clean)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(content))
            content[at : at + rng.choice((0, 1, 60))] = rng.choice(pieces)
        if rng.random() < 0.3:
            content = bytearray(gzip.compress(content, 1))
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        for record in read(bytes(content))[0]:
            with contextlib.suppress(BodyError):
                response_body(record, max_bytes=MIB)


# Files of the real world


def census(path: Path) -> tuple[Counter[str], list[tuple[int, str]]]:
    items = list(read_archive(str(path), max_block_bytes=20 * MIB))
    kinds = Counter(item.kind for item in items if isinstance(item, WarcRecord))
    return kinds, reasons(item for item in items if isinstance(item, Fault))


def test_every_file_of_the_real_world_is_read_to_its_end(shared_data: Path) -> None:
    files = [path for path in sorted((shared_data / "warc").rglob("*")) if path.is_file()]
    assert len(files) > 100
    for path in files:
        kinds, faults = census(path)
        assert kinds or faults, path
        assert len(faults) <= 4, path


@pytest.mark.parametrize(
    ("name", "kinds", "faults"),
    [
        ("commoncrawl-whirlwind/whirlwind.warc", {"warcinfo": 1, "request": 1, "response": 1, "metadata": 1}, []),
        ("commoncrawl-whirlwind/whirlwind.warc.gz", {"warcinfo": 1, "request": 1, "response": 1, "metadata": 1}, []),
        ("commoncrawl-whirlwind/whirlwind.warc.wet.gz", {"warcinfo": 1, "conversion": 1}, []),
        ("commoncrawl-resiliparse/warcfile.warc.gz", {"warcinfo": 1, "request": 17, "response": 16, "metadata": 16}, []),
        ("commoncrawl-resiliparse/clipped.warc.gz", {"response": 1}, [(0, "truncated_record")]),
        ("commoncrawl-resiliparse/warcfile.warc.lz4", {}, [(0, "unsupported_compression")]),
        ("commoncrawl-jwarc/gzip_extra_sl.warc.gz", {"warcinfo": 1}, []),
        ("odd-pywb/iana.warc.gz", {"warcinfo": 1, "response": 48, "request": 171, "revisit": 123}, []),
        ("odd-pywb/example.arc", {"warcinfo": 1, "response": 1}, []),
        ("odd-pywb/example.arc.gz", {"warcinfo": 1, "response": 1}, []),
        ("odd-pywb/bad.arc", {"response": 1}, [(0, "bad_content_length"), (262, "bad_content_length")]),
        ("odd-pywb/missing-status-text.warc", {"response": 1}, []),
        ("odd-pywb/example.warc", {"warcinfo": 1, "response": 2, "request": 2, "revisit": 1}, [(4764, "junk_after_record")]),
        ("odd-warcio/example-wrong-chunks.warc.gz", {"response": 1, "request": 1}, []),
        ("odd-warcio/example-space-in-url.arc", {"warcinfo": 1, "response": 1}, [(151, "truncated_record")]),
        ("odd-warcio/example-trunc.warc", {"warcinfo": 2, "response": 1, "request": 1}, [(2560, "junk_after_record")]),
        ("with-images-books/books.toscrape.warc", {"request": 30, "response": 30}, []),
        ("with-images-wikipedia-sopa/main-page.warc.gz", {"warcinfo": 1, "request": 77, "response": 70, "resource": 3}, []),
        ("bad-jhove/invalid-empty.warc", {}, [(0, "empty_file")]),
        ("bad-jhove/invalid-warcrecord-1.warc", {"warcinfo": 4}, [(0, "bad_content_length"), (407, "bad_content_length")]),
        ("bad-jhove/valid-warcfile-upper-lower-case.warc", {"warcinfo": 1, "response": 4}, []),
        ("bad-jhove/valid-warcfile-upper-lower-case.warc.gz", {"warcinfo": 1, "response": 4}, []),
        (
            "bad-jhove/invalid-warcfile-lonely-request-response-resource-conversion.warc",
            {},
            [(0, "no_target_uri"), (36, "no_target_uri"), (73, "bad_content_length"), (110, "bad_content_length")],
        ),
        (
            "bad-jhove/invalid-warcrecord-3.warc",
            {"response": 5},
            [(1073, "bad_content_length"), (5261, "junk_after_record"), (5365, "truncated_record")],
        ),
    ],
)  # fmt: skip
def test_what_a_real_file_gives(
    shared_data: Path, name: str, kinds: dict[str, int], faults: list[tuple[int, str]]
) -> None:
    assert census(shared_data / "warc" / name) == (kinds, faults)


def test_a_page_whose_record_is_split_over_two_members_can_be_read(shared_data: Path) -> None:
    path = shared_data / "warc/odd-warcio/example-wrong-chunks.warc.gz"
    page = next(iter(read_archive(str(path), max_block_bytes=MIB)))
    assert isinstance(page, WarcRecord)
    assert response_body(page, max_bytes=MIB).rstrip().endswith(b"</html>")


def test_real_records_can_be_read_at_their_offsets(shared_data: Path) -> None:
    path = shared_data / "warc/commoncrawl-resiliparse/warcfile.warc.gz"
    records = [item for item in read_archive(str(path), max_block_bytes=MIB) if isinstance(item, WarcRecord)]
    with path.open("rb") as file:
        for record in records:
            file.seek(record.offset)
            assert next(iter(read_records(file, str(path), max_block_bytes=MIB))) == record
    assert sum(record.length or 0 for record in records) == path.stat().st_size


@pytest.mark.slow
def test_three_hundred_megabytes_stream_in_bounded_memory(archive_record: ArchiveRecord, tmp_path: Path) -> None:
    body = random_bytes(4 * MIB)
    for name, pack in (("plain.warc", bytes), ("packed.warc.gz", lambda data: gzip.compress(data, 0))):
        with (tmp_path / name).open("wb") as file:
            for n in range(75):
                file.write(pack(archive_record(f"http://a.example/{n}", body)))
        tracemalloc.start()
        count = sum(isinstance(i, WarcRecord) for i in read_archive(str(tmp_path / name), max_block_bytes=10 * MIB))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 75
        assert peak < 40 * MIB


def test_a_gzip_bomb_as_a_record_is_passed_over(archive_record: ArchiveRecord) -> None:
    """1 GiB of zeros in one body, deflated to 1 MiB."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = deflate.compress(b"") + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)  # behind a full flush it can be repeated
    bomb = head + block * 1024
    records, _ = read(archive_record("http://a.example/bomb", bomb, headers=("Content-Encoding: gzip",)))
    tracemalloc.start()
    with pytest.raises(BodyError, match="body_too_large"):
        response_body(records[0], max_bytes=MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB
