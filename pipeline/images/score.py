"""Stage `score`: images of documents to the numbers that the recipe's scorers give them.

Reads a part's documents and its images' bytes by their places; `images_scored` + `images_not_scored.STATUS` are the
references to images that were fetched. Every one of them is scored, whatever the rules say, so that a changed rule
scores nothing again; and in its own document, since the texts beside it count.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.parquet import RowWriter, rows_if_there
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.images import pixels
from m3w.pipeline.images.decode import NoImageError, opened
from m3w.pipeline.images.scorers import ImageInContext, Scorer, finite_or_none, load_scorer
from m3w.pipeline.images.section import Scores
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import SCORE_SCHEMA
from m3w.schemas.document import OK

PICTURE_SIDE = 448
"""Pixels that the shorter side of a scored picture has at most; encoders of this use take 224 to 384."""


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/unique`, `images/links`, `images/store`; write `images/scores`."""
    scorers = _loaded(recipe.scores.model_dump_json(include={"scorers"}))
    with (
        attempt.create(f"images/scores/{part.name}.parquet") as file,
        RowWriter(file, SCORE_SCHEMA) as writer,
    ):
        images = _images(attempt, part.name, recipe.fetch.max_megapixels * 1_000_000)
        while batch := list(itertools.islice(images, recipe.scores.batch)):
            for row in _scored(batch, scorers):
                writer.write(row)
            attempt.counters["images_scored"] += len(batch)


Placed = tuple[dict[str, Any], ImageInContext]
"""The columns that name an image in a document, and the image."""


@functools.lru_cache(maxsize=1)
def _loaded(scores: str) -> dict[tuple[str, ...], Scorer]:
    """The scorers of a recipe by their signals, loaded once in a process."""
    scorers = Scores.model_validate_json(scores).scorers
    return {tuple(entry.signals or [name]): load_scorer(entry) for name, entry in scorers.items()}


def _scored(batch: list[Placed], scorers: dict[tuple[str, ...], Scorer]) -> Iterator[dict[str, Any]]:
    for signals, scorer in scorers.items():
        scores = scorer([image for _, image in batch])
        for (place, _), numbers in zip(batch, scores, strict=True):
            for signal, number in zip(signals, numbers, strict=True):
                yield {**place, "signal": signal, "score": finite_or_none(number)}


def _images(attempt: Attempt, part: str, max_pixels: int) -> Iterator[Placed]:
    links = {row["url"]: row for row in rows_if_there(attempt.run, f"images/links/{part}.parquet")}
    with StoreReader(attempt.run) as store:
        for document in _documents(attempt.run, part):
            for position, image in enumerate(document["images"]):
                link = links.get(without_fragment(image["url"])) if image and image["status"] is None else None
                if link is None or link["status"] != OK:
                    continue
                try:
                    picture = viewed(store.read(link["place"]), max_pixels)
                except NoImageError as error:
                    attempt.counters[f"images_not_scored.{error}"] += 1
                    continue
                place = {"document_id": document["document_id"], "position": position}
                yield place, _in_context(document["texts"], image, position, picture)


def viewed(content: bytes, max_pixels: int) -> Image.Image:
    """The picture in RGB, as a viewer shows it, its shorter side of at most `PICTURE_SIDE`. Raises `NoImageError`."""
    with opened(content, max_pixels=max_pixels) as image:
        fitting = (factor for factor in pixels.FACTORS if min(image.size) >= 2 * PICTURE_SIDE * factor)
        picture = pixels.shown(image, next(fitting, 1), pixels.orientation_of(image))
    target = pixels.target_size(*picture.size, "shortest_side", PICTURE_SIDE)
    picture = picture if target is None else pixels.resized(picture, target)
    return pixels.on_white(picture).convert("RGB")


def _in_context(texts: list[str | None], image: dict[str, Any], position: int, picture: Image.Image) -> ImageInContext:
    return ImageInContext(
        picture=picture,
        alt=image["alt"],
        caption=image["caption"],
        before=_first_text(reversed(texts[:position])),
        after=_first_text(texts[position + 1 :]),
    )


def _first_text(texts: Iterable[str | None]) -> str | None:
    return next((text for text in texts if text is not None), None)


def _documents(run: Run, part: str) -> Iterator[dict[str, Any]]:
    columns = ["document_id", "texts", "images"]
    with run.fs.open(run.full(f"documents/unique/{part}.parquet"), "rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=200, columns=columns):
            yield from batch.to_pylist()
