"""Stage `evaluation`: the user's evaluation sets as hashes; one part, whose inputs are the files by content.

`evaluation_images` = `evaluation_images_hashed` + `evaluation_images_unreadable`; `evaluation_texts` counts texts,
`evaluation_texts_too_short` those of fewer words than the n-gram has, which nothing can be recognised by.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.dedup.evaluation import IMAGES, TEXTS, images, texts
from m3w.pipeline.dedup.minhash import U64, ngram_hashes, words
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import prepare
from m3w.pipeline.recipe import Recipe
from m3w.recipes.errors import InputError

TEXTS_AT_ONCE = 1000


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read the evaluation sets; write `evaluation/images.parquet` and `evaluation/texts.parquet`.

    Raises `InputError` for a set in which nothing can be recognised: everything would pass.
    """
    settings = recipe.duplicates.evaluation
    if settings.images is not None:
        _write(attempt, IMAGES, _image_hashes(attempt, recipe))
    if settings.texts is not None:
        _write(attempt, TEXTS, _text_hashes(attempt, recipe))


def _image_hashes(attempt: Attempt, recipe: Recipe) -> list[U64]:
    settings, hashes = recipe.images.model_copy(update={"forbidden": []}), []
    for content in images(recipe.duplicates.evaluation):
        attempt.counters["evaluation_images"] += 1
        try:
            stored = prepare(content, settings, max_pixels=recipe.fetch.max_megapixels * 1_000_000)
        except NoImageError:
            attempt.counters["evaluation_images_unreadable"] += 1
            continue
        attempt.counters["evaluation_images_hashed"] += 1
        hashes.append(np.array([int(stored.phash, 16)], np.uint64))
    if not hashes:
        raise InputError(
            f"duplicates.evaluation.images = {recipe.duplicates.evaluation.images} holds no image that can be read, so "
            "nothing would be found in it; mend it, or give null"
        )
    return hashes


def _text_hashes(attempt: Attempt, recipe: Recipe) -> list[U64]:
    settings, hashes = recipe.duplicates.evaluation, []
    batch: list[bytes] = []
    for text in texts(settings):
        batch.append(words(text))
        if len(batch) == TEXTS_AT_ONCE:
            hashes.append(_ngrams(attempt, batch, settings.ngram))
            batch = []
    hashes.append(_ngrams(attempt, batch, settings.ngram))
    if not any(len(found) for found in hashes):
        raise InputError(
            f"duplicates.evaluation.texts = {settings.texts} holds no text of {settings.ngram} words, so nothing would "
            "be found in it; lower duplicates.evaluation.ngram, or give null"
        )
    return hashes


def _ngrams(attempt: Attempt, batch: list[bytes], ngram: int) -> U64:
    hashes, counts = ngram_hashes(batch, ngram)
    attempt.counters["evaluation_texts"] += len(batch)
    attempt.counters["evaluation_texts_too_short"] += int((counts == 0).sum())
    return np.unique(hashes)


def _write(attempt: Attempt, name: str, hashes: list[U64]) -> None:
    distinct = np.unique(np.concatenate(hashes))
    with attempt.create(name) as file:
        pq.write_table(pa.table({"hash": distinct}), file, compression="zstd")
        file.rows = len(distinct)
