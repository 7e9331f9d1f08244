"""Conditions of a recipe's `crawl.index.where` as one Arrow expression, and the columns that it looks at.

An expression is checked against the statistics of a Parquet file's row groups before they are read, and Common Crawl's
table is sorted by SURT: the TLDs of domains and hosts are asked for as well, which passes over most of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from functools import reduce
from operator import and_, or_
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.crawl.language_codes import long_codes
from m3w.pipeline.crawl.section import Where, moment

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
