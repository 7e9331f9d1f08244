"""A page that crashes its parser costs only that page: it is dropped and quarantined, and the part continues."""

from __future__ import annotations

import gzip
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.inline import InlineExecutor, InlineRun
from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.attempt import Isolation
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.settings import settings_of
from m3w.pipeline.extract.parser_sandbox import KILLED, MEMORY, TIMEOUT, PagesApart
from m3w.pipeline.extract.stage import ExtractSettings, ReadPage, extract
from m3w.pipeline.recipe import Recipe, parse_recipe
from tests.faults.parsers import LOOP, SEGFAULT
from tests.faults.parsers import MEMORY as ALLOCATES
from tests.faults.runs import Driver, attempts, crawl, dataset_hashes, write_recipe
from tests.faults.table import record_row

EXTRACT = {"extractor": "tests.faults.parsers.Killed", "page_seconds": 1.0, "page_memory_mib": 256}
PLANTED = {SEGFAULT: KILLED, ALLOCATES: MEMORY, LOOP: TIMEOUT}


def page(number: int, comment: bytes = b"") -> bytes:
    words = b"The harbour opened again on Monday after three weeks of work on its northern wall. " * 9
    body = b"<html><body>%s<article><h1>Harbour %d</h1><p>%s</p><img src=/a.jpg alt='the wall'><p>%s</p></article></body></html>"
    html = body % (comment, number, words, words)
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html
    head = "\r\n".join(
        [
            "WARC/1.0",
            "WARC-Type: response",
            f"WARC-Target-URI: http://site.example/{number}",
            "WARC-Date: 2020-01-02T03:04:05Z",
            f"Content-Length: {len(http)}",
        ]
    )
    return head.encode() + b"\r\n\r\n" + http + b"\r\n\r\n"


def archive(path: Path, comments: list[bytes]) -> dict[bytes, int]:
    """Write a page for each comment; the offsets of pages by comment."""
    offsets, file = {}, io.BytesIO()
    for number, comment in enumerate(comments):
        if comment:
            offsets[comment] = file.tell()
        file.write(gzip.compress(page(number, comment)))
    path.write_bytes(file.getvalue())
    return offsets


COMMENTS = [b"", SEGFAULT, b"", ALLOCATES, b"", LOOP, b""]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return parse_recipe({"crawl": {"paths": [str(tmp_path / "a.warc.gz")]}, "extract": EXTRACT}, "-")


@pytest.fixture
def apart(recipe: Recipe) -> Iterator[PagesApart]:
    pages = PagesApart(ReadPage(settings_of(ExtractSettings, recipe)), 1.0, 256 * 2**20)
    yield pages
    pages.close()


def records(path: Path) -> list[WarcRecord]:
    return [item for item in read_archive(str(path), max_block_bytes=2**20) if isinstance(item, WarcRecord)]


def test_each_killing_page_is_dropped_under_its_reason_and_the_part_continues(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlineExecutor, "isolation", Isolation.APART)
    offsets = archive(tmp_path / "a.warc.gz", COMMENTS)
    entry = InlineRun(tmp_path).part(extract, "a", recipe, path=str(tmp_path / "a.warc.gz"))
    assert entry.counters["pages"] == 7 and entry.counters["documents"] == 4
    assert {name: n for name, n in entry.counters.items() if name.startswith("pages_dropped.")} == {
        f"pages_dropped.{reason}": 1 for reason in PLANTED.values()
    }
    quarantine = pq.read_table(tmp_path / "run/quarantine/extract/a.parquet").to_pylist()
    assert {(row["reason"], row["offset"]) for row in quarantine} == {
        (PLANTED[comment], offset) for comment, offset in offsets.items()
    }
    assert pq.read_table(tmp_path / "run/documents/extracted/a.parquet").num_rows == 4


def test_a_process_killed_by_something_else_costs_no_page(tmp_path: Path, apart: PagesApart) -> None:
    archive(tmp_path / "a.warc.gz", [b"", b""])
    first, second = records(tmp_path / "a.warc.gz")
    assert not isinstance(apart.read(first).outcome, str)
    assert apart._process is not None
    os.kill(apart._process._child.pid, signal.SIGKILL)
    assert not isinstance(apart.read(second).outcome, str)


@pytest.mark.ray
@pytest.mark.slow
def test_killing_pages_in_real_ray_workers(tmp_path: Path) -> None:
    """Three files with one killing page each, built twice: each page ends its worker and is dropped."""
    folder = crawl(tmp_path / "crawl", seeds=1, pages=24)
    offsets = {
        comment: archive(folder / f"planted-{PLANTED[comment]}.warc.gz", [b"", comment, b""]) for comment in PLANTED
    }
    recipe = write_recipe(tmp_path / "recipe.yaml", folder, extract=EXTRACT, rules={"languages": []})
    for run in ("run", "again"):
        with Driver(recipe, tmp_path / run) as driver:
            status, output = driver.wait()
        assert status == 0, output
    entries = Run.open(str(tmp_path / "run")).entries("extract")
    for comment, pages in offsets.items():
        (entry,) = (entry for name, entry in entries.items() if f"planted-{PLANTED[comment]}" in name)
        assert entry.attempt == 2 and entry.counters["documents"] == 2
        assert [(fault.reason, fault.offset) for fault in entry.faults] == [(PLANTED[comment], pages[comment])]
    spared = [entry.counters for name, entry in entries.items() if "planted" not in name]
    assert not [name for counters in spared for name in counters if name.endswith(tuple(PLANTED.values()))]
    equal = dataset_hashes(tmp_path / "run") == dataset_hashes(tmp_path / "again")
    record_row("pages that segfault, allocate without end, never end", 3, attempts(tmp_path / "run"), equal)
    assert equal
