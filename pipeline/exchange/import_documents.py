"""Stage `extract` for imported documents: reads a file in another project's format, with documents and their images.

An imported document counts as a record, a response and a page, so the funnel is the same as for a crawl: `pages` =
`documents` + `pages_dropped.REASON`.
"""

from __future__ import annotations

from collections.abc import Mapping

from m3w.pipeline.crawl.parts import archive_parts
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.engine.drops import DROPS
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Part, per_part
from m3w.pipeline.engine.stage_io import QUARANTINE, StageIO
from m3w.pipeline.exchange import check_input_format, load_reader
from m3w.pipeline.exchange.documents import BROKEN_OFF, CarriedImages, ImportedDocument
from m3w.pipeline.extract.stage import FLOWS, count_missing_signals
from m3w.pipeline.filters.nodes import drop_of
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS, CustomSignal, check_signals, load_signals
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.registry import SignalEntry
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordListFiles
from m3w.pipeline.tables import ARCHIVED_IMAGES, CARRIED_IMAGES, EXTRACTED
from m3w.schemas.document import InterleavedDocument, document_schema


@settings
class ImportSettings:
    format: str = key("crawl.format")
    paths: list[str] = key("crawl.paths", effect="inputs")
    prefix: str | None = key("crawl.prefix", effect="inputs")
    storage: Storage = key("crawl.storage", effect="none")
    word_lists: WordListFiles = key("word_lists")
    signals: dict[str, SignalEntry] = key("signals")


def plan(importing: ImportSettings, inputs: Inputs) -> list[Part]:
    """A part for each file. Raises `InputError` for a path that matches no file."""
    files = archive_parts(importing.paths, importing.prefix, None, importing.storage)
    return [Part(name=file.name, inputs=[file.input], params=file.params) for file in files]


def check(importing: ImportSettings) -> None:
    """Raises `InputError` for an unknown format or signal, or a word list that cannot be read."""
    check_signals(importing.signals)
    check_input_format(importing.format)
    ListsByLanguage(importing.word_lists)


@per_part(
    name="extract",
    writes=[EXTRACTED, ARCHIVED_IMAGES, CARRIED_IMAGES, DROPS, QUARANTINE],
    settings=ImportSettings,
    version=4,
    enabled=lambda importing: importing.format != "warc",
    check=check,
    parts=plan,
    units=("documents", "image_references"),
    flows=FLOWS,
    cause="crawl",
)
def import_documents(io: StageIO, importing: ImportSettings) -> None:
    """Import the documents of the part's file; images are stored as WARC records, as in a crawl."""
    lists, custom = ListsByLanguage(importing.word_lists), load_signals(importing.signals)
    path = io.params["path"]
    with (
        open_file(path, importing.storage) as source,
        io.write(EXTRACTED, schema=document_schema((*DOCUMENT_SIGNALS, *custom))) as documents,
        io.create(CARRIED_IMAGES) as carried_file,
    ):
        carried = CarriedImages(carried_file, io.path(CARRIED_IMAGES))
        for imported in load_reader(importing.format)(source, path):
            document = _document(io, imported, lists, custom)
            if document is not None and isinstance(imported, ImportedDocument):
                documents.write(document.row())
                for url, content in imported.contents.items():
                    carried.add(url, content)
    with io.write(ARCHIVED_IMAGES) as archive:
        for row in carried.rows.values():
            archive.write(row)


def _document(
    io: StageIO, imported: ImportedDocument | Fault, lists: ListsByLanguage, custom: Mapping[str, CustomSignal]
) -> InterleavedDocument | None:
    """The document with its signals; every other outcome is counted."""
    if isinstance(imported, Fault):
        io.fault(imported)
        if imported.reason == BROKEN_OFF:
            return None
    io.counters.update(dict.fromkeys(("records", "responses", "pages"), 1))
    if isinstance(imported, Fault):
        io.count_dropped("pages", imported.reason)
        return None
    measure(imported.document, lists, custom)
    count_missing_signals(io, imported.document, custom)
    references = int(imported.document.signals["image_nodes"])
    if references:
        io.counters.update({"documents": 1, "image_references": references})
        return imported.document
    io.drop("pages", drop_of("page", "no_image", imported.document, document_text(imported.document), None))
    return None
