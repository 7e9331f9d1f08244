"""Exchanges (a request and its response) as WARC files, written by warcio.

The same exchanges give the same bytes: every date and record id is given, since warcio would take the current time and
random ids, and gzip members have no timestamp.
"""

from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its response."""

    url: str
    body: bytes
    content_type: str
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers of the response, besides its type and length."""
    transfer: str = ""
    """`gzip` or `chunked`: the encoding of the body on the wire, which the archive keeps."""


START = datetime(2026, 2, 3, 8, 0, 0, tzinfo=UTC)
"""Time of the first exchange; the others follow one second apart."""

AGENT = "m3w-sample-crawl/1.0"

CHUNK_BYTES = 1000

CUT_BYTES = 400
"""Bytes missing at the end of a truncated file: fewer than its last compressed record has."""


class Archive:
    """A WARC file being written."""

    def __init__(self, path: Path, seed: str) -> None:
        self.path = path
        self._seed = seed
        self._records = 0
        self._file = BytesIO()
        self._writer = WARCWriter(self._file, gzip=True)

    def info(self, moment: datetime) -> None:
        """Write the `warcinfo` record at the beginning of the file."""
        fields = {"software": AGENT, "format": "WARC File Format 1.0", "isPartOf": "m3w-sample"}
        content = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        headers = self._headers(moment) | {"WARC-Filename": self.path.name}
        self._write("", "warcinfo", content, headers, None)

    def add(self, exchange: Exchange, moment: datetime) -> None:
        """Write the request and its response."""
        body, headers = _transferred(exchange)
        lines = [("Content-Type", exchange.content_type), *headers, *exchange.headers]
        response = StatusAndHeaders(exchange.status, lines, protocol="HTTP/1.1")
        parts = urlsplit(exchange.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        asked = [("Host", parts.netloc), ("User-Agent", AGENT), ("Accept", "*/*")]
        request = StatusAndHeaders(f"GET {target} HTTP/1.1", asked, is_http_request=True)
        mine, other = self._headers(moment), self._headers(moment)
        self._write(exchange.url, "request", b"", other | {"WARC-Concurrent-To": mine["WARC-Record-ID"]}, request)
        self._write(exchange.url, "response", body, mine, response)

    def close(self, *, truncated: bool = False) -> None:
        content = self._file.getvalue()
        self.path.write_bytes(content[:-CUT_BYTES] if truncated else content)

    def _headers(self, moment: datetime) -> dict[str, str]:
        self._records += 1
        digest = hashlib.sha256(f"{self._seed}/{self.path.name}/{self._records}".encode()).digest()
        return {
            "WARC-Record-ID": f"<urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}>",
            "WARC-Date": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _write(
        self, url: str, kind: str, body: bytes, headers: dict[str, str], http_headers: StatusAndHeaders | None
    ) -> None:
        record = self._writer.create_warc_record(
            url, kind, payload=BytesIO(body), length=len(body), warc_headers_dict=headers, http_headers=http_headers
        )
        self._writer.write_record(record)


def pack(files: Sequence[Sequence[Exchange]], folder: Path, *, seed: str, last: Exchange | None = None) -> list[Path]:
    """Write `sample-00000.warc.gz` and so on. `last` is added to the last file, which is truncated inside it."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, moment = [], START
    for number, exchanges in enumerate(files):
        archive = Archive(folder / f"sample-{number:05d}.warc.gz", seed)
        archive.info(moment)
        for exchange in exchanges:
            archive.add(exchange, moment)
            moment += timedelta(seconds=1)
        truncated = number == len(files) - 1 and last is not None
        if truncated and last is not None:
            archive.add(last, moment)
        archive.close(truncated=truncated)
        paths.append(archive.path)
    return paths


def _transferred(exchange: Exchange) -> tuple[bytes, list[tuple[str, str]]]:
    """The body as sent, and the headers that describe its encoding."""
    if exchange.transfer == "chunked":
        body = exchange.body
        chunks = [body[i : i + CHUNK_BYTES] for i in range(0, len(body), CHUNK_BYTES)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        return framed + b"0\r\n\r\n", [("Transfer-Encoding", "chunked")]
    if exchange.transfer == "gzip":
        body = gzip.compress(exchange.body, mtime=0)
        return body, [("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]
    return exchange.body, [("Content-Length", str(len(exchange.body)))]
