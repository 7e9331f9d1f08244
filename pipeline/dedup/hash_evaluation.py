"""Stage `evaluation`: hashes the user's evaluation sets. It has one part, whose inputs are the files by content.

`evaluation_images` = `evaluation_images_hashed` + `evaluation_images_unreadable`; `evaluation_texts` counts texts,
`evaluation_texts_too_short` those with fewer words than an n-gram, which cannot be detected in documents.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from m3w.pipeline.dedup.evaluation import evaluation_inputs, images, texts
from m3w.pipeline.dedup.minhash import U64, ngram_hashes, words
from m3w.pipeline.engine.inputs import Inputs
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import ALL, Part, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.engine.table import Table
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.images.section import Images
from m3w.pipeline.tables import EVALUATION_IMAGES, EVALUATION_TEXTS
from m3w.recipes.errors import InputError

TEXTS_AT_ONCE = 1000


@settings
class EvaluationSettings:
    """The keys of the recipe's section `duplicates.evaluation` that name the sets, and how images are stored."""

    images: str | None = key("duplicates.evaluation.images")
    image_column: str = key("duplicates.evaluation.image_column")
    texts: str | None = key("duplicates.evaluation.texts")
    text_column: str = key("duplicates.evaluation.text_column")
    ngram: int = key("duplicates.evaluation.ngram")
    max_megapixels: int = key("fetch.max_megapixels")
    size: Literal["keep", "longest_side", "shortest_side"] = key("images.size")
    pixels: int | None = key("images.pixels")


def plan(sets: EvaluationSettings, inputs: Inputs) -> list[Part]:
    """One part that reads all files. Raises `InputError` for a set that does not exist or is empty."""
    return [Part(name=ALL, inputs=evaluation_inputs(sets))]


@per_part(
    writes=[EVALUATION_IMAGES, EVALUATION_TEXTS],
    settings=EvaluationSettings,
    enabled=lambda sets: sets.images is not None or sets.texts is not None,
    parts=plan,
    one_part=True,
)
def evaluation(io: StageIO, sets: EvaluationSettings) -> None:
    """Hash the evaluation sets. Raises `InputError` for a set that would match nothing."""
    if sets.images is not None:
        _write(io, EVALUATION_IMAGES, _image_hashes(io, sets))
    if sets.texts is not None:
        _write(io, EVALUATION_TEXTS, _text_hashes(io, sets))


def _image_hashes(io: StageIO, sets: EvaluationSettings) -> list[U64]:
    section, hashes = Images(size=sets.size, pixels=sets.pixels), []
    for content in images(sets):
        io.counters["evaluation_images"] += 1
        try:
            stored = prepare(content, section, max_pixels=sets.max_megapixels * 1_000_000)
        except NoImageError:
            io.counters["evaluation_images_unreadable"] += 1
            continue
        io.counters["evaluation_images_hashed"] += 1
        hashes.append(np.array([int(stored.phash, 16)], np.uint64))
    if not hashes:
        raise InputError(
            f"duplicates.evaluation.images = {sets.images} has no image that can be read, so no copy of it would be "
            "detected; correct the set, or set the key to null"
        )
    return hashes


def _text_hashes(io: StageIO, sets: EvaluationSettings) -> list[U64]:
    hashes: list[U64] = []
    batch: list[bytes] = []
    for text in texts(sets):
        batch.append(words(text))
        if len(batch) == TEXTS_AT_ONCE:
            hashes.append(_ngrams(io, batch, sets.ngram))
            batch = []
    hashes.append(_ngrams(io, batch, sets.ngram))
    if not any(len(batch_hashes) for batch_hashes in hashes):
        raise InputError(
            f"duplicates.evaluation.texts = {sets.texts} has no text of {sets.ngram} words, so no copy of it would be "
            "detected; lower duplicates.evaluation.ngram, or set the key to null"
        )
    return hashes


def _ngrams(io: StageIO, batch: list[bytes], ngram: int) -> U64:
    hashes, counts = ngram_hashes(batch, ngram)
    io.counters["evaluation_texts"] += len(batch)
    io.counters["evaluation_texts_too_short"] += int((counts == 0).sum())
    return np.unique(hashes)


def _write(io: StageIO, table: Table, hashes: list[U64]) -> None:
    with io.write(table) as writer:
        writer.write_columns(pa.table({"hash": np.unique(np.concatenate(hashes))}))
