"""Stage `document_hashes`: the hashes by which copies are detected, a row of some 100 bytes per kept document.

Only the hashes that the recipe needs are computed. A document that shares a long n-gram with an evaluation text is
marked here, so that it is excluded before copies are detected and no other document is dropped as its copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from m3w.pipeline.dedup.evaluation import EvaluationTexts
from m3w.pipeline.dedup.keys import images_key, page_key, text_key
from m3w.pipeline.dedup.minhash import band_keys, signatures
from m3w.pipeline.dedup.section import MinHash
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.tables import DOCUMENT_HASHES, EVALUATION_TEXTS, KEPT
from m3w.schemas.document import VIDEO


@settings
class CopySettings:
    """Which kinds of copies are detected."""

    same_page: bool = key("duplicates.same_page")
    same_text: bool = key("duplicates.same_text")
    same_images: bool = key("duplicates.same_images")
    near_text: bool = key("duplicates.near_text")
    minhash: MinHash = key("duplicates.minhash")


@settings
class HashSettings(CopySettings):
    evaluation_texts: str | None = key("duplicates.evaluation.texts")
    ngram: int = key("duplicates.evaluation.ngram")


@per_part(
    reads=[KEPT, EVALUATION_TEXTS.shared],
    writes=[DOCUMENT_HASHES],
    settings=HashSettings,
    units=("documents",),
)
def document_hashes(io: StageIO, copies: HashSettings) -> None:
    """Hash the part's documents."""
    evaluation = None
    if copies.evaluation_texts is not None:
        evaluation = EvaluationTexts(io.read(EVALUATION_TEXTS)["hash"].to_numpy(), copies.ngram)
    with io.write(DOCUMENT_HASHES) as writer:
        for batch in io.batches(KEPT, columns=_columns(copies)):
            writer.write_columns(_hashes(batch, copies, evaluation))
            io.counters["documents"] += batch.num_rows


def _columns(copies: HashSettings) -> list[str]:
    columns = ["document_id", "crawled_at"]
    if copies.same_page:
        columns += ["url", "canonical_url"]
    if copies.same_text or copies.near_text or copies.same_images or copies.evaluation_texts:
        columns += ["texts", "images.list.element.url", "images.list.element.status"]
    return columns


def _hashes(batch: Any, copies: HashSettings, evaluation: EvaluationTexts | None) -> pa.Table:
    documents, schema = batch.to_pylist(), DOCUMENT_HASHES.schema
    assert schema is not None
    texts = [[text for text in row.get("texts", ()) if text is not None] for row in documents]
    images = [list(_image_urls(row)) for row in documents]
    columns: dict[str, Any] = dict.fromkeys(schema.names)
    columns["document_id"] = [bytes.fromhex(row["document_id"]) for row in documents]
    columns["crawled_at"] = batch["crawled_at"]
    columns["images"] = [len(urls) for urls in images]
    columns["characters"] = [sum(map(len, nodes)) for nodes in texts]
    if copies.same_page:
        columns["page"] = [page_key(row["url"], row["canonical_url"]) for row in documents]
    if copies.same_text:
        columns["text"] = [text_key(nodes) for nodes in texts]
    if copies.same_images:
        columns["image_set"] = [images_key(urls) for urls in images]
    if copies.near_text:
        columns["bands"] = _bands(["\n".join(nodes) for nodes in texts], copies.minhash)
    if evaluation is not None:
        shared = evaluation.shared_by(["\n".join(nodes) for nodes in texts])
        columns["reason"] = ["evaluation_text" if is_shared else None for is_shared in shared]
    arrays = [_array(columns[field.name], field.type, len(documents)) for field in schema]
    return pa.table(arrays, schema=schema)


def _array(values: Any, kind: pa.DataType, count: int) -> Any:
    if values is None:
        return pa.nulls(count, kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _image_urls(row: dict[str, Any]) -> Iterator[str]:
    return (image["url"] for image in row.get("images", ()) if image is not None and image["status"] != VIDEO)


def _bands(texts: list[str], minhash: MinHash) -> list[list[int] | None]:
    smallest, filled = signatures(texts, ngram=minhash.ngram, permutations=minhash.bands * minhash.rows)
    keys = band_keys(smallest, bands=minhash.bands, rows=minhash.rows)
    return [row if any_ngram else None for row, any_ngram in zip(keys.tolist(), filled.tolist(), strict=True)]
