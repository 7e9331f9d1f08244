"""Stage `extract` where documents come ready-made: a file in another project's format to documents and their images.

An imported document counts as a record, a response and a page at once, so the funnel is the one of a crawl: `pages` =
`documents` + `pages_dropped.REASON`.
"""

from __future__ import annotations

from m3w.pipeline.crawl.parts import archive_parts
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.engine.drops import DROPS
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Part, per_part
from m3w.pipeline.engine.stage_io import QUARANTINE, StageIO
from m3w.pipeline.exchange import mmc4, nemo, obelics, pairs
from m3w.pipeline.exchange.carried import CarriedImages
from m3w.pipeline.exchange.rows import BROKEN_OFF
from m3w.pipeline.exchange.sample import Reader, Sample
from m3w.pipeline.extract.stage import FLOWS
from m3w.pipeline.filters.nodes import drop_of
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordListFiles
from m3w.pipeline.tables import ARCHIVED_IMAGES, CARRIED_IMAGES, EXTRACTED
from m3w.schemas.document import InterleavedDocument

READERS: dict[str, Reader] = {"obelics": obelics.read, "mmc4": mmc4.read, "pairs": pairs.read, "nemo": nemo.read}


@settings
class ImportSettings:
    format: str = key("crawl.format")
    paths: list[str] = key("crawl.paths", effect="inputs")
    prefix: str | None = key("crawl.prefix", effect="inputs")
    storage: Storage = key("crawl.storage", effect="none")
    word_lists: WordListFiles = key("word_lists")


def plan(importing: ImportSettings, inputs: Inputs) -> list[Part]:
    """A part for each file. Raises `InputError` for a path that names nothing."""
    files = archive_parts(importing.paths, importing.prefix, None, importing.storage)
    return [Part(name=file.name, inputs=[file.input], params=file.params) for file in files]


def check(importing: ImportSettings) -> None:
    """Raises `InputError` for a word list that cannot be read."""
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
    """Read the part's file; its images are kept as WARC records, as a crawl has them."""
    lists, path = ListsByLanguage(importing.word_lists), io.params["path"]
    with (
        open_file(path, importing.storage) as source,
        io.write(EXTRACTED) as documents,
        io.create(CARRIED_IMAGES) as carried_file,
    ):
        carried = CarriedImages(carried_file, io.path(CARRIED_IMAGES))
        for imported in READERS[importing.format](source, path):
            document = _document(io, imported, lists)
            if document is not None and isinstance(imported, Sample):
                documents.write(document.row())
                for url, content in imported.contents.items():
                    carried.add(url, content)
    with io.write(ARCHIVED_IMAGES) as archive:
        for row in carried.rows.values():
            archive.write(row)


def _document(io: StageIO, imported: Sample | Fault, lists: ListsByLanguage) -> InterleavedDocument | None:
    """The document, measured; each way not to be one is counted."""
    if isinstance(imported, Fault):
        io.fault(imported)
        if imported.reason == BROKEN_OFF:
            return None
    io.counters.update(dict.fromkeys(("records", "responses", "pages"), 1))
    if isinstance(imported, Fault):
        io.count_dropped("pages", imported.reason)
        return None
    measure(imported.document, lists)
    references = int(imported.document.signals["image_nodes"])
    if references:
        io.counters.update({"documents": 1, "image_references": references})
        return imported.document
    io.drop("pages", drop_of("page", "no_image", imported.document, document_text(imported.document), None))
    return None
