"""MMC4's format (arXiv 2304.06939): JSON lines with sentences, and images that are each matched to a sentence.

`text_list` holds the sentences; an entry of `image_info` has `raw_url`, `image_name`, `matched_text_index` and
`matched_sim`; `similarity_matrix` is images x sentences. OpenFlamingo reads tars of such objects, one file each, with
the bytes in `image_base64`, and puts an image before the sentence that it is matched to.

MMC4 does not record where on the page an image is. The export keeps the order all the same: each image is matched, with
similarity 1, to the text that follows or, if that has an image already or there is none, to an empty text of its own.
OpenFlamingo's one-to-one assignment by `similarity_matrix` then restores the order; the import drops empty texts.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.documents import BadDocument, ImportedDocument, content_url, exported_nodes, read_documents
from m3w.schemas.document import ImageReference, InterleavedDocument
from m3w.schemas.sequence import SUFFIX_OF_MIME


def read(file: BinaryIO, path: str) -> Iterator[ImportedDocument | Fault]:
    """The documents of JSON lines (`.jsonl`, `.gz`, or a `.zip` of them, as MMC4 has it) or of a tar of JSON files."""
    return read_documents(path, _objects(file, path), _document)


def _objects(file: BinaryIO, path: str) -> Iterator[dict[str, Any]]:
    """One object per line or file; for a line that is not JSON, an empty object, which is not a document."""
    if path.endswith(".tar"):
        lines = _tar_members(file)
    elif path.endswith(".zip"):
        lines = _zip_lines(file)
    else:
        lines = iter(gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file)
    for line in lines:
        if line.strip():
            yield _object(line)


def _tar_members(file: BinaryIO) -> Iterator[bytes]:
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and member.name.endswith(".json"):
                yield content.read()


def _zip_lines(file: BinaryIO) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as lines:
                yield from lines


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _document(fields: dict[str, Any]) -> ImportedDocument:
    if not fields:
        raise BadDocument("not_json")
    sentences, infos, url = fields.get("text_list"), fields.get("image_info"), fields.get("url")
    if not isinstance(sentences, list) or not isinstance(infos, list):
        raise BadDocument("no_text_list_or_image_info")
    if not isinstance(url, str):
        raise BadDocument("no_page_url")
    contents: dict[str, bytes] = {}
    before: dict[int, list[ImageReference]] = {}
    for info in infos:
        index = int(info["matched_text_index"])
        if not 0 <= index < len(sentences):
            raise BadDocument("no_such_sentence")
        before.setdefault(index, []).append(_reference(info, contents))
    nodes: list[str | ImageReference] = []
    for index, sentence in enumerate(sentences):
        nodes += [*before.get(index, []), *([sentence] if sentence else [])]
    return ImportedDocument(
        document=InterleavedDocument(
            url=url,
            texts=[node if isinstance(node, str) else None for node in nodes],
            images=[node if isinstance(node, ImageReference) else None for node in nodes],
        ),
        contents=contents,
    )


def _reference(info: dict[str, Any], contents: dict[str, bytes]) -> ImageReference:
    content = base64.b64decode(info["image_base64"], validate=True) if info.get("image_base64") else None
    url = info.get("raw_url") or (content_url(content) if content else None)
    if not isinstance(url, str):
        raise BadDocument("no_image_url")
    if content:
        contents[url] = content
    return ImageReference(url=url, alt=info.get("alt_text"))


def write(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The object for a row of the dataset, with the bytes of its images."""
    sentences: list[str] = []
    infos: list[dict[str, Any]] = []
    unmatched = False
    for text, image, content in exported_nodes(row):
        if image is None:
            assert text is not None
            sentences.append(text)
            unmatched = False
            continue
        if unmatched:  # the image before has no text of its own
            sentences.append("")
        assert content is not None
        infos.append(_info(image, content, len(sentences)))
        unmatched = True
    if unmatched:
        sentences.append("")
    matched = [info["matched_text_index"] for info in infos]
    return [
        {
            "url": row["url"],
            "text_list": sentences,
            "image_info": infos,
            "similarity_matrix": [[float(index == match) for index in range(len(sentences))] for match in matched],
            "could_have_url_duplicate": 0,
        }
    ]


def _info(image: ImageReference, content: bytes, index: int) -> dict[str, Any]:
    assert image.mime is not None
    return {
        "image_name": f"{hashlib.sha256(content).hexdigest()[:12]}.{SUFFIX_OF_MIME[image.mime]}",
        "raw_url": image.url,
        "alt_text": image.alt,
        "matched_text_index": index,
        "matched_sim": 1.0,
        "image_base64": base64.b64encode(content).decode(),
    }
