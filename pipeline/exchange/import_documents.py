"""Stage `extract` where documents come ready-made: a file of another project's form to documents and their images.

A sample counts as a record, a response and a page at once, so the funnel is the one of a crawl: `pages` = `documents` +
`pages_dropped.REASON`.
"""

from __future__ import annotations

from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.crawl.warc_record import Fault
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.drops import DropSample
from m3w.pipeline.engine.parquet import RowWriter
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.exchange import mmc4, nemo, obelics, pairs
from m3w.pipeline.exchange.carried import FOLDER, CarriedImages
from m3w.pipeline.exchange.rows import BROKEN_OFF
from m3w.pipeline.exchange.sample import Reader, Sample
from m3w.pipeline.extract.quarantine import note, write_quarantine
from m3w.pipeline.filters.nodes import drop_of
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import ARCHIVE_SCHEMA
from m3w.schemas.document import InterleavedDocument

READERS: dict[str, Reader] = {"obelics": obelics.read, "mmc4": mmc4.read, "pairs": pairs.read, "nemo": nemo.read}


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read the file of `part.work`; write `documents/extracted`, `images/carried`, `images/archive`, `quarantine`."""
    lists, path = ListsByLanguage(recipe.word_lists), part.work["path"]
    sample = DropSample(recipe.drops.keep_per_reason)
    carried_name = f"{FOLDER}{part.name}.warc"
    with (
        open_file(path, recipe.crawl.storage) as source,
        attempt.create(f"documents/extracted/{part.name}.parquet") as documents_file,
        RowWriter(documents_file, DOCUMENT_SCHEMA) as documents,
        attempt.create(carried_name) as carried_file,
    ):
        carried = CarriedImages(carried_file, carried_name)
        for found in READERS[recipe.crawl.format](source, path):
            document = _document(attempt, found, lists, sample)
            if document is not None and isinstance(found, Sample):
                documents.write(document.row())
                for url, content in found.contents.items():
                    carried.add(url, content)
    with (
        attempt.create(f"images/archive/{part.name}.parquet") as archive_file,
        RowWriter(archive_file, ARCHIVE_SCHEMA) as archive,
    ):
        for row in carried.rows.values():
            archive.write(row)
    sample.write(attempt)
    write_quarantine(attempt)


def _document(
    attempt: Attempt, found: Sample | Fault, lists: ListsByLanguage, sample: DropSample
) -> InterleavedDocument | None:
    """The sample's document, measured; each way not to be one is counted."""
    if isinstance(found, Fault):
        note(attempt, found)
        if found.reason == BROKEN_OFF:
            return None
    attempt.counters.update(dict.fromkeys(("records", "responses", "pages"), 1))
    if isinstance(found, Sample):
        measure(found.document, lists)
        references = int(found.document.signals["image_nodes"])
        if references:
            attempt.counters.update({"documents": 1, "image_references": references})
            return found.document
        sample.add(drop_of("page", "no_image", found.document, document_text(found.document), None))
    reason = found.reason if isinstance(found, Fault) else "no_image"
    attempt.counters[f"pages_dropped.{reason}"] += 1
    return None
