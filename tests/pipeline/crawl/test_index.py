"""Rows of an index: each condition has the same effect on Parquet and CDXJ, and no rows are read needlessly."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3w.pipeline.crawl.index import LOCATION_SCHEMA, check_index, selected_rows
from m3w.pipeline.crawl.section import Storage, Where
from m3w.recipes.errors import InputError

STORAGE = Storage(attempts=3, pause_s=0.001, timeout_s=2)
COLUMNS: dict[str, pa.DataType] = {
    "url_surtkey": pa.string(), "url": pa.string(), "url_host_name": pa.string(), "url_host_tld": pa.string(),
    "url_host_registered_domain": pa.string(), "fetch_time": pa.timestamp("ms"), "fetch_status": pa.int16(),
    "content_mime_detected": pa.string(), "content_languages": pa.string(), "warc_filename": pa.string(),
    "warc_record_offset": pa.int32(), "warc_record_length": pa.int32(),
}  # fmt: skip
"""With the types of Common Crawl's table."""

PAGES = [
    # url, languages, mime, status, time
    ("https://a.example.org/1", "eng", "text/html", 200, "2024-05-18T10:00:00"),
    ("https://example.org/2", "deu,eng", "text/html", 200, "2024-05-19T10:00:00"),
    ("https://badexample.org/3", "eng,deu", "application/xhtml+xml", 200, "2024-05-20T10:00:00"),
    ("https://b.test.de/4", None, "text/html", 200, "2024-05-21T10:00:00"),
    ("https://test.de/5", "deu", "image/png", 200, "2024-05-22T10:00:00"),
    ("https://c.test.fr/6", "fra", "text/html", 404, "2024-05-23T10:00:00"),
    ("http://1.2.3.4/7", "eng", "text/html", 200, "2024-05-24T10:00:00"),
]


def as_parquet(path: Path, group_rows: int = 1000, copies: int = 1) -> str:
    rows = []
    for number, (url, languages, mime, status, time) in enumerate(PAGES * copies):
        host = url.split("/")[2]
        tld = None if host == "1.2.3.4" else host.rpartition(".")[2]
        rows.append(
            {
                "url": url,
                "url_host_name": host,
                "url_host_tld": tld,
                "content_languages": languages,
                "fetch_status": status,
                "content_mime_detected": mime,
                "fetch_time": datetime.fromisoformat(time),
                "warc_filename": "a.warc.gz",
                "warc_record_offset": number + 1,
                "warc_record_length": 100,
            }
        )
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(list(COLUMNS.items()))), path, row_group_size=group_rows)
    return str(path)


def as_cdxj(path: Path) -> str:
    lines = ["!meta 0 {}"]
    for number, (url, languages, mime, status, time) in enumerate(PAGES):
        said = {"url": url, "mime": "unk", "mime-detected": mime, "status": str(status), "digest": "X", "length": "100",
                "offset": str(number + 1), "filename": "a.warc.gz"}  # fmt: skip
        if languages:
            said["languages"] = languages
        stamp = datetime.fromisoformat(time).strftime("%Y%m%d%H%M%S")
        lines.append(f"org,example)/{number} {stamp} {json.dumps(said)}")
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text[:300]) + gzip.compress(text[300:]) if path.suffix == ".gz" else text)
    return str(path)


@pytest.fixture(params=["parquet", "cdxj", "cdx.gz"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / f"index.{request.param}"
    return as_parquet(path) if request.param == "parquet" else as_cdxj(path)


def select(path: str, counters: Counter[str] | None = None, **where: Any) -> list[int]:
    """Which of `PAGES` are selected, by their number from 1."""
    batches = selected_rows(path, Where(**where), STORAGE, Counter() if counters is None else counters)
    tables = list(batches)
    assert all(table.schema == LOCATION_SCHEMA for table in tables)
    return sorted(n for table in tables for n in table["warc_record_offset"].to_pylist())


EVERYTHING: dict[str, Any] = {"mimes": [], "statuses": []}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (EVERYTHING, [1, 2, 3, 4, 5, 6, 7]),
        ({}, [1, 2, 3, 4, 7]),
        ({"mimes": ["image/png"]}, [5]),
        ({"statuses": [404]}, [6]),
        ({"domains": ["Example.org"]}, [1, 2]),
        ({"domains": ["a.example.org", "test.de"]}, [1, 4]),
        ({"domains": ["1.2.3.4"]}, [7]),
        ({"hosts": ["example.org"]}, [2]),
        ({"hosts": ["example.org"], "domains": ["test.de"]}, []),
        ({**EVERYTHING, "tlds": ["de", "fr"]}, [4, 5, 6]),
        ({"languages": ["en"]}, [1, 3, 7]),
        ({**EVERYTHING, "languages": ["ger", "fra"]}, [2, 5, 6]),
        ({"after": "2024-05-19T10:00:00Z", "before": "2024-05-21T11:00:00+01:00"}, [2, 3]),
        ({"after": "2024-05-20"}, [3, 4, 7]),
    ],
    ids=str,
)
def test_each_condition_selects_what_it_names(index: str, where: dict[str, Any], expected: list[int]) -> None:
    counters: Counter[str] = Counter()
    assert select(index, counters, **where) == expected
    assert counters["index_rows"] == len(PAGES) == counters["pages"] + counters["index_rows_dropped.condition"]


def test_a_sample_is_a_share_of_urls_the_same_in_every_index(tmp_path: Path) -> None:
    parquet, cdxj = as_parquet(tmp_path / "a.parquet"), as_cdxj(tmp_path / "a.cdxj")
    shares = [select(parquet, sample=share, **EVERYTHING) for share in (0.2, 0.5, 0.9, 1.0)]
    assert shares == [select(cdxj, sample=share, **EVERYTHING) for share in (0.2, 0.5, 0.9, 1.0)]
    assert all(set(less) <= set(more) for less, more in itertools.pairwise(shares))
    assert [len(share) for share in shares] == [1, 4, 6, 7]


def test_only_the_row_groups_and_columns_that_matter_are_read_from_a_remote_table(tmp_path: Path, web: Any) -> None:
    draw = random.Random(1)
    rows = [
        {"url": draw.randbytes(200).hex(), "url_host_name": f"{draw.random()}.{tld}", "url_host_tld": tld,
         "content_mime_detected": "text/html", "fetch_status": 200, "warc_filename": "a.warc.gz",
         "warc_record_offset": number, "warc_record_length": draw.randrange(1, 10**6)}
        for number, tld in enumerate(tld for tld in ("at", "de", "fr", "uk") for _ in range(5000))
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(list(COLUMNS.items()))), tmp_path / "t", row_group_size=5000)
    web.files["t.parquet"] = (tmp_path / "t").read_bytes()
    size = len(web.files["t.parquet"])
    assert len(select(f"{web.url}/t.parquet", tlds=["fr"])) == 5000
    everything, web.sent = web.sent, 0
    assert len(select(f"{web.url}/t.parquet")) == 20_000
    assert web.sent < size / 2, "URLs and host names are most of the table, and nobody asked for them"
    assert everything < size / 4


@pytest.mark.parametrize("column", ["warc_filename", "warc_record_offset", "content_languages", "fetch_time"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = as_parquet(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    where = Where(languages=["en"], after="2024-01-01")
    with pytest.raises(
        InputError, match=f"a.parquet has no column {column}, so its pages cannot be (found|chosen); it has"
    ):
        check_index(path, where, STORAGE)
    if not column.startswith("warc"):
        check_index(path, Where(), STORAGE)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PAR1 but no more", "is damaged"),
        (b"<html>", "neither Parquet nor CDXJ: it begins with b'<html>'"),
        (b" CDX N b a m s k r M S V g\ncom,a)/ 2014 http://a.com/", "neither Parquet nor CDXJ"),
    ],
)
def test_a_file_that_is_not_an_index_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.parquet.*{problem}") as error:
        check_index(str(tmp_path / "x.parquet"), Where(), STORAGE)
    assert "\n" not in str(error.value)


def test_lines_and_rows_without_a_position_are_skipped(tmp_path: Path) -> None:
    path = Path(as_cdxj(tmp_path / "a.cdxj"))
    fields = b'{"url": "http://a.de/", "mime": "text/html", "status": "200", "filename": "a", "length": "5", "offset": '
    extra = (
        b'com,a)/ 2024 {"url": \ncom,a)/ 20240101000000 ' + fields + b'"-5"}\nhalf a line\n' + b"x" * 3_000_000 + b"\n"
    )
    path.write_bytes(path.read_bytes() + extra)
    counters: Counter[str] = Counter()
    assert len(select(str(path), counters)) == 5
    assert (counters["index_rows_dropped.bad_line"], counters["index_rows_dropped.no_place"]) == (3, 1)
    assert counters["index_rows"] == 11
