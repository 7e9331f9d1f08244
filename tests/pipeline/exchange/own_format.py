"""An input format that is not ours, as a user would write it: one document per line, `URL TEXT`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange import BadDocument, ImportedDocument, read_documents
from m3w.schemas.document import ImageReference, InterleavedDocument


def read(file: BinaryIO, path: str) -> Iterator[ImportedDocument | Fault]:
    return read_documents(path, ({"line": line.decode()} for line in file), _document)


def _document(row: dict[str, Any]) -> ImportedDocument:
    url, _, text = row["line"].strip().partition(" ")
    if not text:
        raise BadDocument("no_text")
    document = InterleavedDocument(url=url, texts=[text, None], images=[None, ImageReference(url=f"{url}/image.png")])
    return ImportedDocument(document=document, contents={f"{url}/image.png": text.encode()})


class Lines:
    """The same as a class."""

    def __call__(self, file: BinaryIO, path: str) -> Iterator[ImportedDocument | Fault]:
        return read(file, path)
