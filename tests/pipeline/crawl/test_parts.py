"""Archive files in parts: every record and every fault is in exactly one, however they are cut."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.crawl.parts import MIB, ArchivePart, archive_parts
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.warc import CannotSplit, read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.ledger import Fault

ArchiveRecord = Callable[..., bytes]
STORAGE = Storage(attempts=3, pause_s=0.001, timeout_s=2)


def key(item: WarcRecord | Fault) -> tuple[Any, ...]:
    if isinstance(item, Fault):
        return ("fault", item.offset, item.reason, item.url)
    return (item.kind, item.url, item.offset, item.length, item.block)


def whole(path: str) -> list[tuple[Any, ...]]:
    return [key(item) for item in read_archive(path, max_block_bytes=2**22)]


def in_parts(path: str, bounds: list[int]) -> list[tuple[Any, ...]]:
    """What the parts between `bounds` give, one after the other."""
    keys: list[tuple[Any, ...]] = []
    for start, end in zip(bounds, [*bounds[1:], None], strict=True):
        part = read_archive(path, max_block_bytes=2**22, storage=STORAGE, start=start, end=end)
        keys += [key(item) for item in part]
    return keys


def test_real_archives_in_parts_of_many_sizes_are_the_whole(shared_data: Path) -> None:
    """Good, odd and bad ones, plain and compressed; order, offsets and faults included."""
    files = [path for path in sorted((shared_data / "warc").rglob("*")) if path.name.endswith((".gz", ".bad", ".warc"))]
    assert len(files) > 80
    for path in files:
        if path.name.endswith(".paths.gz"):
            continue
        size, expected = path.stat().st_size, whole(str(path))
        for count in (2, 3, 7, 20) if size < 500_000 else (2, 9):
            bounds = sorted({size * number // count for number in range(count)})
            assert in_parts(str(path), bounds) == expected, path.name


def test_every_byte_of_a_small_archive_may_be_a_bound(archive_record: ArchiveRecord, tmp_path: Path) -> None:
    pieces = [gzip.compress(archive_record(f"http://a.example/{n}", bytes([n]) * n)) for n in range(4)]
    damaged = bytearray(pieces[2])
    damaged[30:40] = b"\xff" * 10
    path = tmp_path / "a.warc.gz"
    for content in (b"".join(pieces), pieces[0] + bytes(damaged) + pieces[1] + b"junk" + pieces[3][:-20]):
        path.write_bytes(content)
        expected = whole(str(path))
        for bound in range(1, len(content)):
            assert in_parts(str(path), [0, bound]) == expected, bound


def test_random_bounds_and_random_damage(archive_record: ArchiveRecord, tmp_path: Path) -> None:
    draw = random.Random(11)
    path = tmp_path / "a.warc.gz"
    for _ in range(60):
        pieces = [
            bytearray(gzip.compress(archive_record(f"http://a.example/{n}", draw.randbytes(draw.randrange(900)))))
            for n in range(12)
        ]
        for _ in range(draw.randrange(4)):
            piece = draw.choice(pieces)
            at = draw.randrange(len(piece))
            piece[at : at + draw.randrange(30)] = draw.randbytes(draw.randrange(30))
        content = b"".join(pieces)
        path.write_bytes(content)
        bounds = sorted({0, *(draw.randrange(len(content)) for _ in range(draw.randrange(1, 8)))})
        assert in_parts(str(path), bounds) == whole(str(path)), bounds


def test_files_that_cannot_be_split_are_read_by_the_part_that_begins_them(
    archive_record: ArchiveRecord, tmp_path: Path
) -> None:
    records = b"".join(archive_record(f"http://a.example/{n}", b"x" * 99) for n in range(9))
    path = tmp_path / "a.warc.gz"
    for content in (records, gzip.compress(records), b"\x28\xb5\x2f\xfd" + records):
        path.write_bytes(content)
        parts = [list(read_archive(str(path), max_block_bytes=999, start=s, end=e)) for s, e in ((0, 50), (50, None))]
        assert [key(item) for item in parts[0]] == whole(str(path)) and parts[1] == []


def test_an_archive_within_an_archive_is_never_taken_for_its_own_records(
    archive_record: ArchiveRecord, tmp_path: Path
) -> None:
    """A stored .warc.gz lies byte for byte in the file, so a part could begin in it; the one before it notices."""
    inner = b"".join(gzip.compress(archive_record(f"http://inner.example/{n}")) for n in range(3))
    outer = gzip.compress(archive_record("http://a.example/inner.warc.gz", inner), 0)
    content = (
        gzip.compress(archive_record("http://a.example/")) + outer + gzip.compress(archive_record("http://b.example/"))
    )
    path = tmp_path / "a.warc.gz"
    path.write_bytes(content)
    assert inner in content
    with pytest.raises(CannotSplit, match=r"a\.warc\.gz cannot be read in parts.*set crawl\.part_mib to null"):
        in_parts(str(path), [0, content.index(inner)])
    assert in_parts(str(path), [0, content.index(inner) + len(inner)]) == whole(str(path))


def test_a_part_of_a_remote_file_asks_for_its_stretch(shared_data: Path, web: Any) -> None:
    real = shared_data / "warc/odd-pywb/iana.warc.gz"
    web.files["iana.warc.gz"] = real.read_bytes()
    url, size = f"{web.url}/iana.warc.gz", real.stat().st_size
    web.always, web.cut_after = "short", 60_000
    keys = in_parts(url, [0, size // 3, 2 * size // 3])
    assert [k[1:] for k in keys] == [k[1:] for k in whole(str(real))]


def test_parts_are_named_by_file_and_number_and_cover_it(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").write_bytes(bytes(5 * MIB + 1))
    (tmp_path / "b.warc").write_bytes(bytes(3 * MIB))
    (tmp_path / "all.paths").write_text("a.warc.gz\nb.warc\ngone.warc.gz\n")
    for path in (str(tmp_path / "?.warc*"), str(tmp_path / "all.paths")):
        parts = archive_parts([path], None, 2, Storage())
        first = [part for part in parts if part.path.endswith("a.warc.gz")]
        assert [part.name[-6:] for part in first] == ["-00000", "-00001", "-00002"]
        assert [part.end for part in first] == [part.start for part in first[1:]] + [None]
        assert first[0].start == 0 and all(part.end - part.start <= 2 * MIB for part in first if part.end)
        assert "members from byte 0 to" in first[0].input and first[0].params["end"] == first[0].end
        (plain,) = [part for part in parts if part.path.endswith("b.warc")]
        assert plain.params == {"path": plain.path} and plain.number is None
        assert max(Counter(part.name for part in parts).values()) == 1
    assert [part.size for part in parts if "gone" in part.path] == [None]
    (same,) = archive_parts([str(tmp_path / "a.warc.gz")], None, None, Storage())
    assert same == ArchivePart(path=same.path, size=5 * MIB + 1) and same.input == f"{same.path} of {5 * MIB + 1} bytes"
