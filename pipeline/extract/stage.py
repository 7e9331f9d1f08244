"""Stage `extract`: from a part of the crawl, documents and an index of the image responses.

Every record ends under one counter: `records` = `records_passed.KIND` + `responses`; `responses` = `pages` +
`images_in_archive` + `responses_dropped.REASON`; `pages` = `documents` + `pages_dropped.REASON`.
`pages_mended.HOW` counts corrections and cuts in pages that were extracted nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from math import isnan
from typing import Any

from m3w.pipeline.crawl.http_body import BodyError, response_body
from m3w.pipeline.crawl.parts import archive_parts
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.select import SELECTED_PARTS
from m3w.pipeline.crawl.warc import RecordLocation, read_archive, read_locations
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.engine.drops import DROPS, Drop
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Flow, Part, per_part
from m3w.pipeline.engine.stage_io import QUARANTINE, StageIO
from m3w.pipeline.extract.blocks import LeftOut
from m3w.pipeline.extract.extractors import Extractor, OwnExtractor, check_extractor, load_extractor
from m3w.pipeline.extract.parser_sandbox import PageResult, Pages, open_pages
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.filters.consent import page_marks
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS, CustomSignal, check_signals, load_signals
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.registry import SignalEntry
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordListFiles
from m3w.pipeline.tables import ARCHIVED_IMAGES, EXTRACTED
from m3w.schemas.document import InterleavedDocument, document_id, document_schema

HTML_TYPES = ("text/html", "application/xhtml+xml")
KINDS = ("warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation")
MIB = 2**20
IMAGES_IN_ARCHIVE = "images_in_archive"
FLOWS = (
    Flow(unit="records", entered_as="records", entered="records", kept_as="responses", kept="responses"),
    Flow(
        unit="responses",
        entered_as="responses",
        entered="responses",
        kept_as="pages",
        kept="pages",
        also_passed=(IMAGES_IN_ARCHIVE,),
    ),
    Flow(unit="pages", entered_as="pages", entered="pages", kept_as="documents", kept="documents"),
    Flow(
        track="images",
        unit="image_references",
        entered_as="image references on pages",
        kept_as="image references in documents",
        kept="image_references",
    ),
)


@settings
class ExtractSettings:
    format: str = key("crawl.format")
    paths: list[str] = key("crawl.paths", effect="inputs")
    prefix: str | None = key("crawl.prefix", effect="inputs")
    part_mib: int | None = key("crawl.part_mib", effect="inputs")
    storage: Storage = key("crawl.storage", effect="none")
    extract: Extract = key("extract")
    word_lists: WordListFiles = key("word_lists")
    signals: dict[str, SignalEntry] = key("signals")
    agent: str = key("fetch.agent")
    max_image_mib: int = key("fetch.max_image_mib")


def plan(extract: ExtractSettings, inputs: Inputs) -> list[Part]:
    """A part for each archive file, each section of one (`crawl.part_mib`), or each file of selected pages.

    Raises `InputError` for a path that matches no file.
    """
    if extract.paths:
        files = archive_parts(extract.paths, extract.prefix, extract.part_mib, extract.storage)
        return [Part(name=file.name, inputs=[file.input], params=file.params) for file in files]
    return [
        Part(
            name=f"selected-{path.rpartition('/')[2].removesuffix('.parquet')}",
            inputs=[f"{path} of sha256 {output.sha256}"],
            files=[[path]],
        )
        for path, output in inputs.outputs(SELECTED_PARTS).items()
    ]


def check(extract: ExtractSettings) -> None:
    """Raises `InputError` for an extractor or a signal that does not exist, or a word list that cannot be read."""
    check_signals(extract.signals)
    if extract.extract.extractor is not None:
        check_extractor(extract.extract.extractor)
    ListsByLanguage(extract.word_lists)


@per_part(
    reads=[SELECTED_PARTS.optional],
    writes=[EXTRACTED, ARCHIVED_IMAGES, DROPS, QUARANTINE],
    settings=ExtractSettings,
    version=5,
    enabled=lambda extract: extract.format == "warc",
    check=check,
    parts=plan,
    units=("pages", "documents", "image_references"),
    flows=FLOWS,
    cause="crawl",
)
def extract(io: StageIO, extract: ExtractSettings) -> None:
    """Extract documents from the part's archive file, or from the pages selected for it."""
    limits = extract.extract.page_seconds, extract.extract.page_memory_mib * MIB
    with (
        closing(open_pages(io.isolation, ReadPage(extract), *limits)) as pages,
        io.write(EXTRACTED, schema=document_schema((*DOCUMENT_SIGNALS, *extract.signals))) as documents,
        io.write(ARCHIVED_IMAGES) as archive,
    ):
        for item in _records(io, extract):
            if isinstance(item, Fault):
                io.fault(item)
                continue
            io.counters["records"] += 1
            if item.kind != "response":
                io.counters[f"records_passed.{item.kind if item.kind in KINDS else 'other'}"] += 1
                continue
            io.counters["responses"] += 1
            if (row := _image_row(item)) is not None:
                archive.write(row)
            document = _document(io, item, pages)
            if document is not None:
                count_missing_signals(io, document, extract.signals)
                documents.write(document.row())


def _records(io: StageIO, extract: ExtractSettings) -> Iterator[WarcRecord | Fault]:
    """The records and faults of the part. Raises OSError for a file that cannot be read."""
    limit = max(extract.extract.max_page_mib, extract.max_image_mib) * MIB
    if io.params:
        return read_archive(**io.params, max_block_bytes=limit, storage=extract.storage)
    rows = io.rows(SELECTED_PARTS)
    pages = (RecordLocation(row["warc_filename"], row["warc_record_offset"], row["warc_record_length"]) for row in rows)
    return read_locations(pages, max_block_bytes=limit, storage=extract.storage)


def _image_row(record: WarcRecord) -> dict[str, Any] | None:
    """The position of an image response in the archive, or the error status of a URL; None for other responses."""
    if record.url is None or record.status is None or (record.status == 200 and not record.mime.startswith("image/")):
        return None
    return {
        "url": record.url,
        "status": record.status,
        "warc_path": record.path,
        "warc_offset": record.offset,
        "crawled_at": record.crawled_at,
    }


def _document(io: StageIO, record: WarcRecord, pages: Pages) -> InterleavedDocument | None:
    """The record's document, if it is a page with an image; every other outcome is counted."""
    reason = not_a_page(record)
    if reason == IMAGES_IN_ARCHIVE:
        io.counters[IMAGES_IN_ARCHIVE] += 1
        return None
    if reason is not None:
        io.drop("responses", _drop("response", record, reason))
        return None
    io.counters["pages"] += 1
    result = pages.read(record)
    document = result.outcome
    if isinstance(document, str):
        io.drop("pages", _drop("page", record, document, result.text))
        if result.fault is not None:
            io.fault(_fault(record, document, result.fault))
        return None
    io.counters["documents"] += 1
    io.counters["image_references"] += int(document.signals["image_nodes"])
    _note_left_out(io, record, result.left_out)
    return document


def _note_left_out(io: StageIO, record: WarcRecord, left_out: LeftOut) -> None:
    """Count what the extractor left out of the page, and keep some image references of each reason as examples."""
    for reason, count in left_out.references.items():
        io.count_dropped("image_references", reason, count)
    io.counters.update({f"pages_mended.{name}": count for name, count in left_out.page.items()})
    for reason, urls in left_out.examples.items():
        for url in urls:
            io.example(_drop("image_reference", record, reason, image_url=url))


def count_missing_signals(io: StageIO, document: InterleavedDocument, signals: Iterable[str]) -> None:
    """Count the recipe's own signals without a value for the document: they raised an error or returned None."""
    for name in signals:
        if isnan(document.signals[name]):
            io.counters[f"signals_missing.{name}"] += 1


class ReadPage:
    """Parses a page: its document, or the reason why it has none.

    Raises MemoryError, from which this process may not recover.
    """

    def __init__(self, extract: ExtractSettings):
        self._settings, self._lists = extract, ListsByLanguage(extract.word_lists)
        self._signals = load_signals(extract.signals)

    def __reduce__(self) -> Any:
        return ReadPage, (self._settings,)

    def __call__(self, record: WarcRecord) -> PageResult:
        left_out, text = LeftOut(), None
        try:
            outcome = page_document(
                record,
                self._settings.extract,
                left_out,
                agent=self._settings.agent,
                lists=self._lists,
                custom=self._signals,
            )
        except BodyError as error:
            return PageResult(outcome=str(error), fault="")
        except MemoryError:
            raise
        except Exception as error:  # a page that the extractor cannot handle: only this page is lost
            return PageResult(outcome="extractor_error", fault=f"{type(error).__name__}: {error}"[:500])
        if isinstance(outcome, InterleavedDocument) and not outcome.signals["image_nodes"]:
            text = document_text(outcome)
            outcome = "no_image"
        return PageResult(outcome=outcome, left_out=left_out, text=text)


def _drop(kind: str, record: WarcRecord, reason: str, text: str | None = None, image_url: str | None = None) -> Drop:
    url = record.url or ""
    name = document_id(url, record.crawled_at)
    return Drop(kind=kind, reason=reason, document_id=name, url=url, text=text, image_url=image_url)


def _fault(record: WarcRecord, reason: str, detail: str) -> Fault:
    return Fault(path=record.path, offset=record.offset, reason=reason, detail=detail, url=record.url)


def not_a_page(record: WarcRecord) -> str | None:
    """The reason why a response is not an HTML page with status 200; None if it is one."""
    if record.url is None or not record.url.lower().startswith(("http://", "https://")):
        return "not_http"  # Heritrix also stores the answers of name servers as responses
    if record.status != 200:
        return "http_status"
    if record.mime.startswith("image/"):
        return IMAGES_IN_ARCHIVE
    mime = record.mime or (record.payload_type or "").lower() or _sniffed(record.block)
    return None if mime in HTML_TYPES else "not_html"


def _sniffed(block: bytes) -> str:
    start = block[:1024].lstrip().lower()
    return "text/html" if start.startswith((b"<!doctype html", b"<html")) else ""


def page_document(
    record: WarcRecord,
    section: Extract,
    left_out: LeftOut | None = None,
    *,
    agent: str = "",
    lists: ListsByLanguage | None = None,
    custom: Mapping[str, CustomSignal] | None = None,
) -> InterleavedDocument | str:
    """The page's document with its signals, or the reason why it has none.

    The extractor records in `left_out` what it leaves out. `agent` is our name in directives of the page's headers.
    Raises `BodyError` for a body that cannot be read.
    """
    limit = section.max_page_mib * MIB
    if record.oversize or len(record.block) > limit:
        return "page_too_large"
    assert record.url is not None
    html = response_body(record, max_bytes=limit)
    extractor: Extractor = OwnExtractor(content=section.content, videos=section.videos, left_out=left_out)
    if section.extractor is not None:
        extractor = load_extractor(section.extractor)
    document = extractor(html, record.url, record.content_type)
    if isinstance(document, str):
        return document
    measure(document, lists, custom or {})
    return replace(
        document,
        document_id="",  # computed again, from URL and crawl time
        opt_out=sorted({*document.opt_out, *page_marks(record.http_headers, agent)}),
        crawled_at=record.crawled_at,
        warc_path=record.path,
        warc_offset=record.offset,
        warc_length=record.length,
    )
