"""One WARC or ARC record, parsed by warcio, with limits on its header and block and a check of its length.

The input is hostile: every length, line and header may be wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord, ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeadersParserException

from m3w.pipeline.crawl.archive_stream import (
    BLOCK_BYTES,
    START_BYTES,
    GzipMember,
    Source,
    begins_arc_record,
    begins_record,
)

ARC_MAGIC = b"filedesc://"
MAX_HEADER_BYTES = 2**20
"""Limit for a record's WARC and HTTP headers together; real ones have a few kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcRecord:
    """One record with its block."""

    kind: str
    """WARC-Type: `response`, `request`, `warcinfo`, ..."""
    url: str | None
    crawled_at: datetime | None
    path: str
    offset: int
    """Offset in the file of the record, or of its gzip member."""
    length: int | None = None
    """Bytes of the record in the file, or of its gzip member; None if the member has other records, too."""
    status: int | None
    """HTTP status of a response."""
    http_headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case; the last value of a repeated header."""
    payload_type: str | None = None
    """WARC-Identified-Payload-Type, if the crawler set it."""
    block: bytes = b""
    """The HTTP body as stored in the archive."""
    oversize: bool = False
    """The block is longer than `max_block_bytes` and was skipped."""

    @property
    def content_type(self) -> str | None:
        return self.http_headers.get("content-type")

    @property
    def mime(self) -> str:
        """The media type alone, in lower case: `text/html`; empty if the server sent none."""
        return (self.content_type or "").partition(";")[0].strip().lower()


class BadRecord(ValueError):
    """A record that could not be read, or only in part; `record` is that part, if any."""

    def __init__(self, reason: str, detail: str = "", record: WarcRecord | None = None, url: str | None = None):
        super().__init__(reason)
        self.reason, self.detail, self.record, self.url = reason, detail, record, url


class RecordStream:
    """A member's bytes as the file object from which warcio reads records, with their offsets in the file.

    Offsets are exact in a plain file; in a gzip member, every offset is that of the member.
    """

    def __init__(self, blocks: GzipMember | Source, start: int):
        self._blocks, self._start = blocks, start
        self._member = blocks if isinstance(blocks, GzipMember) else None
        self._window, self._at = b"", 0
        self._consumed, self._header_budget, self._records = 0, 0, 0
        self.record_start = self.record_end = start

    def read(self, size: int) -> bytes:
        pieces = []
        while size > 0 and self._ahead(1):
            pieces.append(self._take(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def readline(self, size: int | None = None) -> bytes:
        """A line of a header. Raises `BadRecord` if the record's header is longer than `MAX_HEADER_BYTES`."""
        limit = self._header_budget if size is None or size < 0 else min(size, self._header_budget)
        line = self._line(limit)
        self._header_budget -= len(line)
        if self._header_budget <= 0:
            raise BadRecord("header_too_long", f"more than {MAX_HEADER_BYTES} bytes")
        return line

    def tell(self) -> int:
        return self._consumed

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the member's end."""
        self._ahead(size)
        return self._window[self._at : self._at + size]

    def at_record(self) -> bool:
        return begins_record(self.peek(START_BYTES))

    def at_arc_record(self) -> bool:
        return begins_arc_record(self.peek(START_BYTES))

    def skip_blank_lines(self) -> bool:
        """Skip line ends; False at the end of the member."""
        while self._ahead(1):
            blank = _LINE_ENDS.match(self._window, self._at)
            assert blank is not None  # it also matches the empty string
            self._take(blank.end() - self._at)
            if self._at < len(self._window):
                return True
        return False

    def skip_to_record(self) -> bool:
        """Skip to the next line that begins a record; False at the end of the member."""
        while line := self._line(BLOCK_BYTES):
            if line.endswith(b"\n") and self.at_record():
                return True
        return False

    def mark_record(self) -> None:
        self._header_budget = MAX_HEADER_BYTES
        self._records += 1
        if self._member:
            self._member.record_open = True
        else:
            self.record_start = self._start + self._consumed

    def mark_end(self) -> None:
        if self._member:
            self._member.record_open = False
        else:
            self.record_end = self._start + self._consumed

    def length(self, source: Source, more: bool) -> int | None:
        """Length in the file of the record that ended. Call it at the next record's start; `more`: there is one."""
        if not self._member:
            return self.record_end - self.record_start
        alone = self._records == 1 and not more
        return source.position - self._start if alone else None

    def _ahead(self, size: int) -> int:
        """Bytes in the buffer; at least `size` of them unless the member ends."""
        while len(self._window) - self._at < size and (block := self._blocks.block()):
            self._window, self._at = self._window[self._at :] + block, 0
        return len(self._window) - self._at

    def _take(self, size: int) -> bytes:
        data = self._window[self._at : self._at + size]
        self._at += len(data)
        self._consumed += len(data)
        return data

    def _line(self, limit: int) -> bytes:
        """The bytes up to the next line end, at most `limit` of them."""
        at, end = self._at, self._window.find(b"\n", self._at, self._at + limit) + 1
        if end > 0:  # the usual case: the whole line is in the buffer
            self._at = end
            self._consumed += end - at
            return self._window[at:end]
        pieces = [b""]
        while limit > 0 and not pieces[-1].endswith(b"\n") and self._ahead(1):
            end = self._window.find(b"\n", self._at, self._at + limit)
            pieces.append(self._take(limit if end < 0 else end + 1 - self._at))
            limit -= len(pieces[-1])
        return b"".join(pieces)


_LINE_ENDS = re.compile(rb"[\r\n]*")


def parse_record(stream: RecordStream, path: str, max_block_bytes: int, *, arc: bool) -> WarcRecord:
    """The record at the stream's position, read to its end. Raises `BadRecord`."""
    if not arc and not stream.at_record():
        raise BadRecord("not_a_record", f"begins with {stream.peek(20)!r}")
    parsed = _parsed(stream, arc)
    url = parsed.rec_headers.get_header("WARC-Target-URI")
    _check_length(parsed, url)
    block = parsed.raw_stream.read(max_block_bytes + 1)
    oversize = len(block) > max_block_bytes
    while oversize and parsed.raw_stream.read(BLOCK_BYTES):
        pass
    http = parsed.http_headers
    record = WarcRecord(
        kind=(parsed.rec_type or "").strip().lower(),
        url=url,
        crawled_at=_moment(parsed.rec_headers.get_header("WARC-Date")),
        path=path,
        offset=stream.record_start,
        status=_status(http.get_statuscode()) if http else None,
        http_headers={name.lower(): value for name, value in http.headers} if http else {},
        payload_type=parsed.rec_headers.get_header("WARC-Identified-Payload-Type"),
        block=b"" if oversize else block,
        oversize=oversize,
    )
    if parsed.raw_stream.limit > 0:
        raise BadRecord("truncated_record", f"{parsed.raw_stream.limit} bytes are missing at its end", record, url)
    return record


_LOADER = ArcWarcRecordLoader(verify_http=False, arc2warc=True)
"""Has parsers and no state of a record."""


def _parsed(stream: RecordStream, arc: bool) -> ArcWarcRecord:
    try:
        return _LOADER.parse_record_stream(stream, known_format="arc" if arc else "warc")
    except (ArchiveLoadFailed, StatusAndHeadersParserException, EOFError) as error:
        raise BadRecord("bad_record_header", " ".join(str(error).split())[:200]) from error
    except AttributeError as error:  # raised by warcio for a response without a URL
        raise BadRecord("no_target_uri", "a response without WARC-Target-URI") from error


def _check_length(parsed: ArcWarcRecord, url: str | None) -> None:
    stated = parsed.rec_headers.get_header("Content-Length")
    if parsed.rec_type is None:
        raise BadRecord("bad_record_header", "no WARC-Type", url=url)
    if stated is None or not stated.strip().isdecimal():
        raise BadRecord("bad_content_length", f"Content-Length: {stated}", url=url)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # not a time, or before the year 1 in UTC
        return None


def _status(code: str | None) -> int | None:
    return int(code) if code and code.isdecimal() else None
