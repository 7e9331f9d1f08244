"""Rows of an index of a crawl: Parquet with the columns of Common Crawl's table, or CDXJ files; filtered while read.

Of Parquet, the columns that conditions name and the place of the page are read, of row groups whose statistics allow a
match. A CDXJ file is read through, line by line, to the same columns. Memory: a batch of rows.
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


def condition(where: Where, schema: pa.Schema) -> Expression | None:
    """What rows of a table with `schema` must hold; None if nothing is asked for. `sample` is not in it."""
    found = list(_conditions(where, schema))
    return reduce(and_, found) if found else None


def columns_asked(where: Where) -> list[str]:
    """The columns without which the conditions cannot be decided."""
    asked = {
        "url_host_name": where.domains or where.hosts,
        "url_host_tld": where.tlds,
        "content_languages": where.languages,
        "content_mime_detected": where.mimes,
        "fetch_status": where.statuses,
        "fetch_time": where.after or where.before,
        "url": where.sample < 1,
    }
    return [column for column, given in asked.items() if given]


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


PARQUET_MAGIC = b"PAR1"
PLACE = pa.schema(
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
        *PLACE,
    ]
)
BATCH_ROWS = 20_000
LINE_BYTES = 2**20


def selected_rows(path: str, where: Where, storage: Storage, counters: Counter[str]) -> Iterator[pa.Table]:
    """The places of pages that `where` selects in the index file at `path`, in batches with the schema `PLACE`.

    Counts `index_rows` = `pages` + `index_rows_dropped.REASON`. Raises OSError, and `InputError` for a file that lacks
    a column or is no index.
    """
    with open_file(path, storage) as file:
        for batch in _filtered(file, path, where, counters):
            rows = _sampled(batch, where.sample, counters)
            places = rows.select(PLACE.names).cast(PLACE)
            good = pc.and_(pc.greater_equal(places[1], 0), pc.greater(places[2], 0))
            placed = places.filter(pc.and_(good, pc.is_valid(places[0])))
            counters["index_rows_dropped.no_place"] += places.num_rows - placed.num_rows
            counters["pages"] += placed.num_rows
            yield placed


def check_index(path: str, where: Where, storage: Storage) -> None:
    """Raises `InputError` if the file at `path` is no index that `where` can be asked of."""
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
        columns = [*PLACE.names, *(["url"] if where.sample < 1 else [])]
        scanner = fragment.scanner(
            schema=schema, columns=columns, filter=condition(where, schema), batch_size=BATCH_ROWS, use_threads=False
        )
        left = fragment.count_rows()
        for batch in scanner.to_batches():
            left -= batch.num_rows
            yield pa.Table.from_batches([batch])
        counters["index_rows_dropped.condition"] += left
        return
    asked = condition(where, CDXJ_SCHEMA)
    for table in _tables(_lines(file, path), counters):
        kept = table if asked is None else table.filter(asked)
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
        file.bound(0)  # what is wanted is known to the byte
    options = ds.ParquetFragmentScanOptions(pre_buffer=True)  # near columns by one request
    try:
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        fragment = form.make_fragment(pa.PythonFile(file, mode="r"))
        fragment.ensure_complete_metadata()
    except pa.ArrowInvalid as error:
        raise InputError(f"crawl.index.paths: {path} is damaged ({' '.join(str(error).split())[:200]})") from error
    return fragment


def _check_columns(schema: pa.Schema, path: str, where: Where) -> None:
    missing = [name for name in (*PLACE.names, *columns_asked(where)) if name not in schema.names]
    if missing:
        raise InputError(
            f"crawl.index.paths: {path} has no column {', '.join(missing)}, so its pages cannot be "
            f"{'found' if missing[0] in PLACE.names else 'chosen'}; it has {', '.join(schema.names)}"
        )
    if (where.after or where.before) and not pa.types.is_timestamp(schema.field("fetch_time").type):
        raise InputError(
            f"crawl.index.paths: fetch_time of {path} is {schema.field('fetch_time').type}, no timestamp, so after and "
            "before cannot be decided; leave them out"
        )


def _lines(file: BinaryIO, path: str) -> Iterator[bytes]:
    """The lines of a CDXJ file, plain or compressed. Raises `InputError` if the first is none of CDXJ."""
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
    """A line; `LINE_BYTES` of one that is longer, whose rest is passed over."""
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
    """A line of CDXJ as a row of `CDXJ_SCHEMA`; None if it is none."""
    try:
        _, stamp, text = line.decode().split(" ", 2)
        said = json.loads(text)
        url = said["url"]
        host = (urlsplit(url).hostname or "").lower()
        status = said.get("status", "")
        return {
            "url": url,
            "url_host_name": host,
            "url_host_tld": host.rpartition(".")[2],
            "fetch_time": datetime.strptime(stamp[:14], "%Y%m%d%H%M%S"),
            "fetch_status": int(status) if str(status).isdecimal() else None,
            "content_mime_detected": said.get("mime-detected") or said.get("mime"),
            "content_languages": said.get("languages"),
            "warc_filename": said["filename"],
            "warc_record_offset": int(said["offset"]),
            "warc_record_length": int(said["length"]),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
