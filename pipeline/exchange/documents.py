"""The contract of an input format, and what formats share: rows to documents, nodes to export, carried images.

A bad document costs itself: it becomes a `Fault`, and the file is read on.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from m3w.pipeline.engine.ledger import Fault
from m3w.recipes.errors import InputError
from m3w.schemas.document import OK, ImageReference, InterleavedDocument

if TYPE_CHECKING:
    from m3w.pipeline.engine.output_files import OutputFile

BREAKS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, pa.ArrowException)
BROKEN_OFF = "broken_off"
"""The reason of a fault that is not a document: the file cannot be read any further."""
ROWS_AT_ONCE = 64
"""A row may hold several images of some MiB each."""
NO_DATE = "1970-01-01T00:00:00Z"
"""A WARC record needs a date; when these images were fetched is not known."""


@dataclass(slots=True, kw_only=True)
class ImportedDocument:
    """A document and the bytes of its images, as far as its file has them."""

    document: InterleavedDocument
    contents: dict[str, bytes] = field(default_factory=dict)
    """Bytes by image URL. An image that is not here is to be fetched."""


Reader = Callable[[BinaryIO, str], Iterator[ImportedDocument | Fault]]
"""Reads an open file; the suffix of its path says what kind of file it is. What cannot be read becomes a `Fault`."""


class BadDocument(ValueError):
    """A document that violates its format; the message is the reason under which it is counted."""


def read_documents(
    path: str, rows: Iterable[dict[str, Any]], parse: Callable[[dict[str, Any]], ImportedDocument]
) -> Iterator[ImportedDocument | Fault]:
    """Each row as `parse` reads it, or as a fault whose offset is the row's number in the file, from 0.

    `parse` raises `BadDocument` with a reason; any error of a malformed row is counted as `malformed`. A file that
    cannot be read any further ends with a fault `broken_off`.
    """
    rows, number = iter(rows), -1
    while True:
        number += 1
        try:
            yield parse(next(rows))
        except StopIteration:
            return
        except InputError:
            raise
        except BREAKS as error:
            yield Fault(path=path, offset=number, reason=BROKEN_OFF, detail=f"{type(error).__name__}: {error}"[:500])
            return
        except BadDocument as error:
            yield Fault(path=path, offset=number, reason=str(error))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Fault(path=path, offset=number, reason="malformed", detail=f"{type(error).__name__}: {error}"[:500])


def parquet_rows(
    file: BinaryIO, path: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file: the `required` columns, and the `optional` ones that it has.

    Raises `InputError` for a file that is not Parquet or lacks a required column.
    """
    names = column_names(file, path)
    missing = sorted(set(required) - set(names))
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}, so it is not of this format; it has {', '.join(names)}"
        )
    columns = [*required, *(name for name in optional if name in names)]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
        yield from batch.to_pylist()


def column_names(file: BinaryIO, path: str) -> list[str]:
    """Raises `InputError` for a file that is not Parquet."""
    try:
        names: list[str] = pq.read_schema(file).names
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file ({error}), so it has no rows; give another file") from error
    return names


def content_url(content: bytes) -> str:
    """A name for an image without a URL, the same for the same bytes. Nothing can be fetched from it."""
    return f"urn:sha256:{hashlib.sha256(content).hexdigest()}"


def exported_nodes(row: dict[str, Any]) -> Iterator[tuple[str | None, ImageReference | None, bytes | None]]:
    """Texts, and images with their bytes, to export of a row of `m3w.pipeline.filters.signals.DATASET_SCHEMA`.

    Images that were not fetched, broke a rule or opted out are omitted, and so are videos.
    """
    document = InterleavedDocument.from_row(row)
    for text, image, content in zip(document.texts, document.images, row["image_bytes"], strict=True):
        if text is not None:
            yield text, None, None
        elif image is not None and image.status == OK:
            assert content is not None
            yield None, image, content


class CarriedImages:
    """The images that came with imported documents, written to a WARC file of the run, each URL once.

    To later stages they are image responses of a crawl: looked up by URL, checked by the same limits, stored once. The
    bytes are in the run twice until its intermediate files are removed.
    """

    def __init__(self, file: OutputFile, name: str):
        self._file, self._name = file, name
        self._writer = WARCWriter(cast(Any, file), gzip=False)
        self.rows: dict[str, dict[str, Any]] = {}
        """By URL, where each image is in the file: rows of `m3w.pipeline.tables.ARCHIVED_IMAGES`."""

    def add(self, url: str, content: bytes) -> None:
        """Write the image, unless one with this URL has been written."""
        if url in self.rows:
            return
        location = {"url": url, "status": 200, "warc_path": self._name, "warc_offset": self._file.tell()}
        self.rows[url] = {**location, "crawled_at": None}
        http = StatusAndHeaders("200 OK", [("Content-Type", "application/octet-stream")], protocol="HTTP/1.1")
        warc = {"WARC-Date": NO_DATE, "WARC-Record-ID": f"<urn:m3w:{len(self.rows)}>"}
        self._writer.write_record(
            self._writer.create_warc_record(
                url, "response", payload=io.BytesIO(content), http_headers=http, warc_headers_dict=warc
            )
        )
        self._file.rows += 1
