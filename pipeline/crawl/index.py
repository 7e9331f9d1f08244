"""Rows of an index of a crawl: Parquet with the columns of Common Crawl's table, or CDXJ files; filtered while read.

Of Parquet, only the columns needed are read, and only row groups whose statistics allow a match. Common Crawl's table
is sorted by SURT, so conditions on domains and hosts are extended to their TLDs, which skips most of it. A CDXJ file is
read line by line. Memory: one batch of rows.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from operator import and_, or_
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from m3w.pipeline.crawl.archive_stream import GZIP_MAGIC
from m3w.pipeline.crawl.language_codes import long_codes
from m3w.pipeline.crawl.ranged_file import RangedFile
from m3w.pipeline.crawl.section import Storage, Where, moment
from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.crawl.urls import stable_number
from m3w.recipes.errors import InputError

Expression = Any
PARQUET_MAGIC = b"PAR1"
LOCATION_SCHEMA = pa.schema(
    [("warc_filename", pa.string()), ("warc_record_offset", pa.int64()), ("warc_record_length", pa.int64())]
)
CDXJ_SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("url_host_name", pa.string()),
        ("url_host_tld", pa.string()),
        ("fetch_time", pa.timestamp("s")),
        ("fetch_status", pa.int32()),
        ("content_mime_detected", pa.string()),
        ("content_languages", pa.string()),
        *LOCATION_SCHEMA,
    ]
)
BATCH_ROWS = 20_000
LINE_BYTES = 2**20


def selected_rows(path: str, where: Where, storage: Storage, counters: Counter[str]) -> Iterator[pa.Table]:
    """The locations of the pages that `where` selects in the index file at `path`: batches with `LOCATION_SCHEMA`.

    Counts `index_rows` = `pages` + `index_rows_dropped.REASON`. Raises OSError, and `InputError` for a file that lacks
    a column or is not an index.
    """
    with open_file(path, storage) as file:
        for batch in _filtered(file, path, where, counters):
            rows = _sampled(batch, where.sample, counters)
            locations = rows.select(LOCATION_SCHEMA.names).cast(LOCATION_SCHEMA)
            in_range = pc.and_(pc.greater_equal(locations[1], 0), pc.greater(locations[2], 0))
            valid = locations.filter(pc.and_(in_range, pc.is_valid(locations[0])))
            counters["index_rows_dropped.no_place"] += locations.num_rows - valid.num_rows
            counters["pages"] += valid.num_rows
            yield valid


def check_index(path: str, where: Where, storage: Storage) -> None:
    """Raises `InputError` if the file at `path` is not an index, or lacks a column that `where` needs."""
    with open_file(path, storage) as file:
        if _is_parquet(file):
            _check_columns(_fragment(file, path).physical_schema, path, where)
        else:
            next(_lines(file, path), None)


def _filtered(file: BinaryIO, path: str, where: Where, counters: Counter[str]) -> Iterator[pa.Table]:
    if _is_parquet(file):
        fragment = _fragment(file, path)
        schema = fragment.physical_schema
        _check_columns(schema, path, where)
        counters["index_rows"] += fragment.count_rows()
        columns = [*LOCATION_SCHEMA.names, *(["url"] if where.sample < 1 else [])]
        scanner = fragment.scanner(
            schema=schema, columns=columns, filter=condition(where, schema), batch_size=BATCH_ROWS, use_threads=False
        )
        left = fragment.count_rows()
        for batch in scanner.to_batches():
            left -= batch.num_rows
            yield pa.Table.from_batches([batch])
        counters["index_rows_dropped.condition"] += left
        return
    expression = condition(where, CDXJ_SCHEMA)
    for table in _tables(_lines(file, path), counters):
        kept = table if expression is None else table.filter(expression)
        counters["index_rows_dropped.condition"] += table.num_rows - kept.num_rows
        yield kept


def _sampled(rows: pa.Table, share: float, counters: Counter[str]) -> pa.Table:
    if share >= 1:
        return rows
    bound = share * 2**32
    kept = rows.filter(pa.array([url is not None and stable_number(url) < bound for url in rows["url"].to_pylist()]))
    counters["index_rows_dropped.sample"] += rows.num_rows - kept.num_rows
    return kept


def _is_parquet(file: BinaryIO) -> bool:
    start = file.read(len(PARQUET_MAGIC))
    file.seek(0)
    return start == PARQUET_MAGIC


def _fragment(file: BinaryIO, path: str) -> Any:
    if isinstance(file, RangedFile):
        file.bound(0)  # the reader asks for exactly the bytes it needs
    options = ds.ParquetFragmentScanOptions(pre_buffer=True)  # one request for adjacent columns
    try:
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        fragment = form.make_fragment(pa.PythonFile(file, mode="r"))
        fragment.ensure_complete_metadata()
    except pa.ArrowInvalid as error:
        raise InputError(f"crawl.index.paths: {path} is damaged ({' '.join(str(error).split())[:200]})") from error
    return fragment


def _check_columns(schema: pa.Schema, path: str, where: Where) -> None:
    missing = [name for name in (*LOCATION_SCHEMA.names, *required_columns(where)) if name not in schema.names]
    if missing:
        raise InputError(
            f"crawl.index.paths: {path} has no column {', '.join(missing)}, so its pages cannot be "
            f"{'found' if missing[0] in LOCATION_SCHEMA.names else 'chosen'}; it has {', '.join(schema.names)}"
        )
    if (where.after or where.before) and not pa.types.is_timestamp(schema.field("fetch_time").type):
        raise InputError(
            f"crawl.index.paths: fetch_time of {path} is {schema.field('fetch_time').type}, not a timestamp, so after "
            "and before cannot be applied; leave them out"
        )


def _lines(file: BinaryIO, path: str) -> Iterator[bytes]:
    """The lines of a CDXJ file, plain or compressed. Raises `InputError` if the first line is not CDXJ."""
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    text = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if magic == GZIP_MAGIC else file
    first = True
    for line in iter(lambda: _line(text), b""):
        if line.startswith(b"!") or not line.strip():
            continue
        if first and _row(line) is None:
            raise InputError(
                f"crawl.index.paths: {path} is neither Parquet nor CDXJ: it begins with {line[:60]!r}; a line of "
                "CDXJ is `surt timestamp {json}`"
            )
        first = False
        yield line


def _line(file: BinaryIO) -> bytes:
    """The next line; of a line longer than `LINE_BYTES` the beginning, the rest is skipped."""
    line = rest = file.readline(LINE_BYTES)
    while len(rest) == LINE_BYTES and not rest.endswith(b"\n"):
        rest = file.readline(LINE_BYTES)
    return line


def _tables(lines: Iterator[bytes], counters: Counter[str]) -> Iterator[pa.Table]:
    rows: list[dict[str, Any]] = []
    for line in lines:
        counters["index_rows"] += 1
        row = _row(line)
        if row is None:
            counters["index_rows_dropped.bad_line"] += 1
            continue
        rows.append(row)
        if len(rows) == BATCH_ROWS:
            yield pa.Table.from_pylist(rows, CDXJ_SCHEMA)
            rows = []
    yield pa.Table.from_pylist(rows, CDXJ_SCHEMA)


def _row(line: bytes) -> dict[str, Any] | None:
    """A line of CDXJ as a row of `CDXJ_SCHEMA`; None if it is malformed."""
    try:
        _, stamp, text = line.decode().split(" ", 2)
        fields = json.loads(text)
        url = fields["url"]
        host = (urlsplit(url).hostname or "").lower()
        status = fields.get("status", "")
        return {
            "url": url,
            "url_host_name": host,
            "url_host_tld": host.rpartition(".")[2],
            "fetch_time": datetime.strptime(stamp[:14], "%Y%m%d%H%M%S"),
            "fetch_status": int(status) if str(status).isdecimal() else None,
            "content_mime_detected": fields.get("mime-detected") or fields.get("mime"),
            "content_languages": fields.get("languages"),
            "warc_filename": fields["filename"],
            "warc_record_offset": int(fields["offset"]),
            "warc_record_length": int(fields["length"]),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def condition(where: Where, schema: pa.Schema) -> Expression | None:
    """All conditions but `sample` as one Arrow expression on a table with `schema`; None if there are none."""
    conditions = list(_conditions(where, schema))
    return reduce(and_, conditions) if conditions else None


def required_columns(where: Where) -> list[str]:
    """The columns that the conditions look at."""
    conditions = {
        "url_host_name": where.domains or where.hosts,
        "url_host_tld": where.tlds,
        "content_languages": where.languages,
        "content_mime_detected": where.mimes,
        "fetch_status": where.statuses,
        "fetch_time": where.after or where.before,
        "url": where.sample < 1,
    }
    return [column for column, given in conditions.items() if given]


def _conditions(where: Where, schema: pa.Schema) -> Iterator[Expression]:
    if where.domains:
        ends = [pc.ends_with(pc.field("url_host_name"), f".{domain}") for domain in where.domains]
        yield reduce(or_, ends, pc.field("url_host_name").isin(where.domains))
    if where.hosts:
        yield pc.field("url_host_name").isin(where.hosts)
    for names in (where.domains, where.hosts):
        tlds = sorted({name.rpartition(".")[2] for name in names})
        if tlds and "url_host_tld" in schema.names and not any(tld.isdecimal() for tld in tlds):
            yield pc.field("url_host_tld").isin(tlds)
    if where.tlds:
        yield pc.field("url_host_tld").isin(where.tlds)
    if where.languages:
        codes = "|".join(re.escape(code) for language in where.languages for code in long_codes(language))
        yield pc.match_substring_regex(pc.field("content_languages"), f"^({codes})(,|$)")
    if where.mimes:
        yield pc.field("content_mime_detected").isin(where.mimes)
    if where.statuses:
        yield pc.field("fetch_status").isin(pa.array(where.statuses, schema.field("fetch_status").type))
    yield from _times(where, schema)


def _times(where: Where, schema: pa.Schema) -> Iterator[Expression]:
    if where.after is None and where.before is None:
        return
    kind = schema.field("fetch_time").type

    def scalar(text: str) -> pa.Scalar:
        utc = moment(text).astimezone(UTC)
        return pa.scalar(utc if kind.tz else utc.replace(tzinfo=None), kind)

    if where.after is not None:
        yield pc.field("fetch_time") >= scalar(where.after)
    if where.before is not None:
        yield pc.field("fetch_time") < scalar(where.before)
