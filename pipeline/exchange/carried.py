"""Images that came with the documents of another project, as a WARC file of the run.

So they are what image responses in a crawl are to the stages behind: looked up by URL, guarded by the same limits, and
stored once. The bytes lie in the run twice until the run's intermediate files are removed.
"""

from __future__ import annotations

import io
from typing import Any, cast

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from m3w.pipeline.engine.output_files import OutputFile

NO_DATE = "1970-01-01T00:00:00Z"
"""A WARC record has a date; when these images were fetched is not known."""


class CarriedImages:
    """Writes each URL's bytes once; `rows` are the places, of `m3w.pipeline.tables.ARCHIVED_IMAGES`."""

    def __init__(self, file: OutputFile, name: str):
        self._file, self._name = file, name
        self._writer = WARCWriter(cast(Any, file), gzip=False)
        self.rows: dict[str, dict[str, Any]] = {}

    def add(self, url: str, content: bytes) -> None:
        """Keep the image, unless its URL has one already."""
        if url in self.rows:
            return
        place = {"url": url, "status": 200, "warc_path": self._name, "warc_offset": self._file.tell()}
        self.rows[url] = {**place, "crawled_at": None}
        http = StatusAndHeaders("200 OK", [("Content-Type", "application/octet-stream")], protocol="HTTP/1.1")
        warc = {"WARC-Date": NO_DATE, "WARC-Record-ID": f"<urn:m3w:{len(self.rows)}>"}
        self._writer.write_record(
            self._writer.create_warc_record(
                url, "response", payload=io.BytesIO(content), http_headers=http, warc_headers_dict=warc
            )
        )
        self._file.rows += 1
