"""Stage `extract`: what a part of the crawl holds to documents and an index of the image responses in it.

Every record ends under one counter: `records` = `records_passed.KIND` + `responses`; `responses` = `pages` +
`images_in_archive` + `responses_dropped.REASON`; `pages` = `documents` + `pages_dropped.REASON`.
`pages_mended.HOW` counts what was cut or put straight in pages that were read all the same.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from m3w.pipeline.crawl.http_body import BodyError, response_body
from m3w.pipeline.crawl.warc_record import Fault, WarcRecord
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.drops import Drop, DropSample
from m3w.pipeline.engine.parquet import RowWriter
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.extract import extract_page
from m3w.pipeline.extract.left_out import LeftOut
from m3w.pipeline.extract.parser_sandbox import PageResult, Pages, pages, parser
from m3w.pipeline.extract.quarantine import note, write_quarantine
from m3w.pipeline.extract.records import records
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.filters.consent import page_marks
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import ARCHIVE_SCHEMA
from m3w.schemas.document import InterleavedDocument, document_id

HTML_TYPES = ("text/html", "application/xhtml+xml")
MIB = 2**20
RESPONSES_DROPPED = "responses_dropped."


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read the archive that `part.work` names; write `documents/extracted`, `images/archive`, `quarantine/extract`."""
    lists, sample = ListsByLanguage(recipe.word_lists), DropSample(recipe.drops.keep_per_reason)
    limit = max(recipe.extract.max_page_mib, recipe.fetch.max_image_mib) * MIB
    with (
        closing(pages(attempt.care, lambda record: read_page(record, recipe, lists), recipe)) as reader,
        attempt.create(f"documents/extracted/{part.name}.parquet") as documents_file,
        attempt.create(f"images/archive/{part.name}.parquet") as archive_file,
        RowWriter(documents_file, DOCUMENT_SCHEMA) as documents,
        RowWriter(archive_file, ARCHIVE_SCHEMA) as archive,
    ):
        for item in records(attempt.run, part.work, max_block_bytes=limit, storage=recipe.crawl.storage):
            if isinstance(item, Fault):
                note(attempt, item)
                continue
            attempt.counters["records"] += 1
            if item.kind != "response":
                attempt.counters[f"records_passed.{_known_kind(item.kind)}"] += 1
                continue
            attempt.counters["responses"] += 1
            if (row := _image_row(item)) is not None:
                archive.write(row)
            document = _document(attempt, item, reader, sample)
            if document is not None:
                documents.write(document.row())
    sample.write(attempt)
    write_quarantine(attempt)


KINDS = ("warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation")


def _known_kind(kind: str) -> str:
    return kind if kind in KINDS else "other"


def _image_row(record: WarcRecord) -> dict[str, object] | None:
    """Where an image lies in the archive, or the status that a URL answered with instead of one."""
    if record.url is None or record.status is None or (record.status == 200 and not record.mime.startswith("image/")):
        return None
    return {
        "url": record.url,
        "status": record.status,
        "warc_path": record.path,
        "warc_offset": record.offset,
        "crawled_at": record.crawled_at,
    }


def _document(attempt: Attempt, record: WarcRecord, reader: Pages, sample: DropSample) -> InterleavedDocument | None:
    """The record's document if it is a page that has one with an image; each way not to be is counted."""
    reason = not_a_page(record)
    if reason is not None:
        attempt.counters[reason] += 1
        if reason.startswith(RESPONSES_DROPPED):
            sample.add(_drop("response", record, reason.removeprefix(RESPONSES_DROPPED)))
        return None
    attempt.counters["pages"] += 1
    result = reader.read(record)
    found = result.found
    if isinstance(found, str):
        attempt.counters[f"pages_dropped.{found}"] += 1
        sample.add(_drop("page", record, found, result.text))
        if result.fault is not None:
            note(attempt, _fault(record, found, result.fault))
        return None
    attempt.counters["documents"] += 1
    attempt.counters["image_references"] += int(found.signals["image_nodes"])
    _note_left_out(attempt, record, result.left_out, sample)
    return found


def _note_left_out(attempt: Attempt, record: WarcRecord, left_out: LeftOut, sample: DropSample) -> None:
    """Count it; of each reason some references are for the sample."""
    attempt.counters.update({f"image_references_dropped.{name}": count for name, count in left_out.references.items()})
    attempt.counters.update({f"pages_mended.{name}": count for name, count in left_out.page.items()})
    for reason, addresses in left_out.examples.items():
        for address in addresses:
            sample.add(_drop("image_reference", record, reason, image_url=address))


def read_page(record: WarcRecord, recipe: Recipe, lists: ListsByLanguage) -> PageResult:
    """A page's document, or why it has none. Raises MemoryError, of which this process may not recover."""
    left_out, text = LeftOut(), None
    try:
        found = page_document(record, recipe.extract, left_out, agent=recipe.fetch.agent, lists=lists)
    except BodyError as error:
        return PageResult(found=str(error), fault="")
    except MemoryError:
        raise
    except Exception as error:  # the extractor met a page it was not written for: that page, and only it, is lost
        return PageResult(found="extractor_error", fault=f"{type(error).__name__}: {error}"[:500])
    if isinstance(found, InterleavedDocument) and not found.signals["image_nodes"]:
        text = document_text(found)
        found = "no_image"
    return PageResult(found=found, left_out=left_out, text=text)


def _drop(kind: str, record: WarcRecord, reason: str, text: str | None = None, image_url: str | None = None) -> Drop:
    url = record.url or ""
    name = document_id(url, record.crawled_at)
    return Drop(kind=kind, reason=reason, document_id=name, url=url, text=text, image_url=image_url)


def _fault(record: WarcRecord, reason: str, detail: str) -> Fault:
    return Fault(path=record.path, offset=record.offset, reason=reason, detail=detail, url=record.url)


def not_a_page(record: WarcRecord) -> str | None:
    """The counter of a response that is no HTML page of status 200; None if it is one."""
    if record.url is None or not record.url.lower().startswith(("http://", "https://")):
        return f"{RESPONSES_DROPPED}not_http"  # Heritrix keeps the answers of name servers as responses, too
    if record.status != 200:
        return f"{RESPONSES_DROPPED}http_status"
    if record.mime.startswith("image/"):
        return "images_in_archive"
    mime = record.mime or (record.payload_type or "").lower() or _sniffed(record.block)
    return None if mime in HTML_TYPES else f"{RESPONSES_DROPPED}not_html"


def _sniffed(block: bytes) -> str:
    start = block[:1024].lstrip().lower()
    return "text/html" if start.startswith((b"<!doctype html", b"<html")) else ""


def page_document(
    record: WarcRecord,
    settings: Extract,
    left_out: LeftOut | None = None,
    *,
    agent: str = "",
    lists: ListsByLanguage | None = None,
) -> InterleavedDocument | str:
    """The page's document, measured, or the reason why there is none; `left_out` is told what the extractor left out.

    `agent` is the name that directives of the page's headers may address.

    Raises `BodyError` for a body that cannot be read.
    """
    limit = settings.max_page_mib * MIB
    if record.oversize or len(record.block) > limit:
        return "page_too_large"
    assert record.url is not None
    html = response_body(record, max_bytes=limit)
    found = parser(extract_page)(
        html, record.url, record.content_type, content=settings.content, videos=settings.videos, left_out=left_out
    )
    if isinstance(found, str):
        return found
    measure(found, lists)
    return replace(
        found,
        document_id="",  # made again, from URL and crawl time
        opt_out=sorted({*found.opt_out, *page_marks(record.http_headers, agent)}),
        crawled_at=record.crawled_at,
        warc_path=record.path,
        warc_offset=record.offset,
        warc_length=record.length,
    )
