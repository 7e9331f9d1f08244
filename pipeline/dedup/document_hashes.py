"""Stage `fingerprint`: what tells whether a document is a copy, in a row of some 100 bytes for each kept document.

Only what the recipe's switches ask for is worked out. A document that shares a long n-gram with an evaluation text is
marked here, so that it is out before copies are looked for and no other document goes for its sake.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.dedup.evaluation import EvaluationTexts
from m3w.pipeline.dedup.keys import KEY_BYTES, images_key, page_key, text_key
from m3w.pipeline.dedup.minhash import band_keys, signatures
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.recipe import Recipe
from m3w.schemas.document import TIME, VIDEO

ROWS = 500
SCHEMA = pa.schema(
    [
        pa.field("document_id", pa.binary(KEY_BYTES), nullable=False),
        pa.field("crawled_at", TIME),
        pa.field("images", pa.int64(), nullable=False),
        pa.field("characters", pa.int64(), nullable=False),
        pa.field("page", pa.binary(KEY_BYTES)),
        pa.field("text", pa.binary(KEY_BYTES)),
        pa.field("image_set", pa.binary(KEY_BYTES)),
        pa.field("bands", pa.list_(pa.uint64())),
        pa.field("reason", pa.string()),
    ]
)
"""`duplicates/fingerprints/`: a row for each row of `documents/kept`, in its order."""


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/kept` and `evaluation/texts`; write `duplicates/fingerprints`."""
    run, switches = attempt.run, recipe.duplicates
    evaluation = EvaluationTexts.of_run(run, switches.evaluation) if switches.evaluation.texts else None
    with (
        run.fs.open(run.full(f"documents/kept/{part.name}.parquet"), "rb") as source,
        attempt.create(f"duplicates/fingerprints/{part.name}.parquet") as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
    ):
        for batch in pq.ParquetFile(source).iter_batches(batch_size=ROWS, columns=_columns(switches)):
            writer.write_table(_fingerprints(batch, switches, evaluation))
            file.rows += batch.num_rows
            attempt.counters["documents"] += batch.num_rows


def _columns(switches: Duplicates) -> list[str]:
    columns = ["document_id", "crawled_at"]
    if switches.same_page:
        columns += ["url", "canonical_url"]
    if switches.same_text or switches.near_text or switches.same_images or switches.evaluation.texts:
        columns += ["texts", "images.list.element.url", "images.list.element.status"]
    return columns


def _fingerprints(batch: Any, switches: Duplicates, evaluation: EvaluationTexts | None) -> pa.Table:
    documents = batch.to_pylist()
    texts = [[text for text in row.get("texts", ()) if text is not None] for row in documents]
    images = [list(_image_urls(row)) for row in documents]
    columns: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    columns["document_id"] = [bytes.fromhex(row["document_id"]) for row in documents]
    columns["crawled_at"] = batch["crawled_at"]
    columns["images"] = [len(urls) for urls in images]
    columns["characters"] = [sum(map(len, nodes)) for nodes in texts]
    if switches.same_page:
        columns["page"] = [page_key(row["url"], row["canonical_url"]) for row in documents]
    if switches.same_text:
        columns["text"] = [text_key(nodes) for nodes in texts]
    if switches.same_images:
        columns["image_set"] = [images_key(urls) for urls in images]
    if switches.near_text:
        columns["bands"] = _bands(["\n".join(nodes) for nodes in texts], switches)
    if evaluation is not None:
        shared = evaluation.shared_by(["\n".join(nodes) for nodes in texts])
        columns["reason"] = ["evaluation_text" if found else None for found in shared]
    arrays = [_array(columns[field.name], field.type, len(documents)) for field in SCHEMA]
    return pa.table(arrays, schema=SCHEMA)


def _array(values: Any, kind: pa.DataType, count: int) -> Any:
    if values is None:
        return pa.nulls(count, kind)
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _image_urls(row: dict[str, Any]) -> Iterator[str]:
    return (image["url"] for image in row.get("images", ()) if image is not None and image["status"] != VIDEO)


def _bands(texts: list[str], switches: Duplicates) -> list[list[int] | None]:
    settings = switches.minhash
    smallest, filled = signatures(texts, ngram=settings.ngram, permutations=settings.bands * settings.rows)
    keys = band_keys(smallest, bands=settings.bands, rows=settings.rows)
    return [row if any_ngram else None for row, any_ngram in zip(keys.tolist(), filled.tolist(), strict=True)]
