"""MMC4's form (arXiv 2304.06939): JSON lines of sentences, and of images that are each matched to one of them.

`text_list` holds the sentences; an entry of `image_info` has `raw_url`, `image_name`, `matched_text_index` and
`matched_sim`; `similarity_matrix` is images x sentences. OpenFlamingo reads tars of such objects, one file each, with
the bytes in `image_base64`. An image stands before the sentence that it is matched to, as OpenFlamingo puts it.

MMC4 knows no places in the page. What goes out keeps them all the same: each image is matched, with similarity 1, to
the text behind it, and where that is taken or missing to an empty text of its own, so that OpenFlamingo's one-to-one
assignment by `similarity_matrix` gives each image its place back. What comes in drops empty texts, which undoes that.
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
from m3w.pipeline.exchange.rows import read_samples
from m3w.pipeline.exchange.sample import BadSample, Sample, content_url, exported_nodes
from m3w.schemas.document import ImageReference, InterleavedDocument
from m3w.schemas.sequence import SUFFIX_OF_MIME


def read(file: BinaryIO, path: str) -> Iterator[Sample | Fault]:
    """The documents of JSON lines (`.jsonl`, `.gz`, or a `.zip` of them, as MMC4 has it) or of a tar of JSON files."""
    return read_samples(path, _objects(file, path), _sample)


def _objects(file: BinaryIO, path: str) -> Iterator[dict[str, Any]]:
    """One a line or file; a text that is no JSON is given as an empty object, which is no sample."""
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
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sample(fields: dict[str, Any]) -> Sample:
    if not fields:
        raise BadSample("not_json")
    sentences, infos, url = fields.get("text_list"), fields.get("image_info"), fields.get("url")
    if not isinstance(sentences, list) or not isinstance(infos, list):
        raise BadSample("no_text_list_or_image_info")
    if not isinstance(url, str):
        raise BadSample("no_page_url")
    contents: dict[str, bytes] = {}
    before: dict[int, list[ImageReference]] = {}
    for info in infos:
        place = int(info["matched_text_index"])
        if not 0 <= place < len(sentences):
            raise BadSample("no_such_sentence")
        before.setdefault(place, []).append(_reference(info, contents))
    nodes: list[str | ImageReference] = []
    for place, sentence in enumerate(sentences):
        nodes += [*before.get(place, []), *([sentence] if sentence else [])]
    return Sample(
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
        raise BadSample("no_image_url")
    if content:
        contents[url] = content
    return ImageReference(url=url, alt=info.get("alt_text"))


def write(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The object for a row of the dataset, with the images' bytes in it."""
    sentences: list[str] = []
    infos: list[dict[str, Any]] = []
    waits = False
    for text, image, content in exported_nodes(row):
        if image is None:
            assert text is not None
            sentences.append(text)
            waits = False
            continue
        if waits:  # for a text behind it, and another image comes
            sentences.append("")
        assert content is not None
        infos.append(_info(image, content, len(sentences)))
        waits = True
    if waits:
        sentences.append("")
    matched = [info["matched_text_index"] for info in infos]
    return [
        {
            "url": row["url"],
            "text_list": sentences,
            "image_info": infos,
            "similarity_matrix": [[float(place == at) for at in range(len(sentences))] for place in matched],
            "could_have_url_duplicate": 0,
        }
    ]


def _info(image: ImageReference, content: bytes, place: int) -> dict[str, Any]:
    assert image.mime is not None
    return {
        "image_name": f"{hashlib.sha256(content).hexdigest()[:12]}.{SUFFIX_OF_MIME[image.mime]}",
        "raw_url": image.url,
        "alt_text": image.alt,
        "matched_text_index": place,
        "matched_sim": 1.0,
        "image_base64": base64.b64encode(content).decode(),
    }
