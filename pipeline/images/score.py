"""Stage `score`: scores the images of documents with the recipe's scorers.

It reads a part's documents, and the bytes of their images by location. `images_scored` + `images_not_scored.STATUS` are
the references to images that were fetched. All of them are scored, regardless of the rules, so that a changed rule
does not require new scores; each within its own document, because scorers see the texts next to it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from PIL import Image

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Pool, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.images import pixels
from m3w.pipeline.images.decode import NoImageError, opened
from m3w.pipeline.images.pixels import resized, target_size
from m3w.pipeline.images.scorers import ImageInContext, Scorer, check_scorers, finite_or_none, load_scorer
from m3w.pipeline.images.section import ScorerEntry, Scores
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.tables import IMAGE_RESULTS, SCORES, STORE, UNIQUE
from m3w.schemas.document import OK

PICTURE_SIDE = 448
"""The shorter side of an image that is scored has at most this many pixels; image encoders take 224 to 384."""
ScoredImage = tuple[dict[str, Any], ImageInContext]
"""The columns that identify an image in a document, and the image."""


@settings
class ScoreSettings:
    scorers: dict[str, ScorerEntry] = key("scores.scorers")
    actors: int = key("scores.actors", effect="none")
    gpus: float = key("scores.gpus", effect="none")
    batch: int = key("scores.batch", effect="none")
    max_megapixels: int = key("fetch.max_megapixels", effect="none")
    """Larger images were never stored."""


@per_part(
    reads=[UNIQUE, IMAGE_RESULTS, STORE.by_path],
    writes=[SCORES],
    settings=ScoreSettings,
    enabled=lambda score: bool(score.scorers),
    check=lambda score: check_scorers(score.scorers),
    pool=lambda score: Pool(actors=score.actors, gpus=score.gpus, gpus_key="scores.gpus"),
    units=("images_scored",),
)
def score(io: StageIO, score: ScoreSettings) -> None:
    """Score the images of the part's documents."""
    scorers = _loaded(Scores(scorers=score.scorers).model_dump_json(include={"scorers"}))
    with io.write(SCORES) as writer:
        images = _images(io, score.max_megapixels * 1_000_000)
        while batch := list(itertools.islice(images, score.batch)):
            for row in _scored(batch, scorers):
                writer.write(row)
            io.counters["images_scored"] += len(batch)


@functools.lru_cache(maxsize=1)
def _loaded(scores: str) -> dict[tuple[str, ...], Scorer]:
    """The scorers of a recipe by their signals, loaded once in a process."""
    scorers = Scores.model_validate_json(scores).scorers
    return {tuple(entry.signals or [name]): load_scorer(entry) for name, entry in scorers.items()}


def _scored(batch: list[ScoredImage], scorers: dict[tuple[str, ...], Scorer]) -> Iterator[dict[str, Any]]:
    for signals, scorer in scorers.items():
        scores = scorer([image for _, image in batch])
        for (columns, _), numbers in zip(batch, scores, strict=True):
            for signal, number in zip(signals, numbers, strict=True):
                yield {**columns, "signal": signal, "score": finite_or_none(number)}


def _images(io: StageIO, max_pixels: int) -> Iterator[ScoredImage]:
    results = {row["url"]: row for row in io.rows(IMAGE_RESULTS)}
    with StoreReader(lambda path: io.open(STORE, path)) as store:
        for document in io.rows(UNIQUE, columns=["document_id", "texts", "images"], size=200):
            for position, image in enumerate(document["images"]):
                result = results.get(without_fragment(image["url"])) if image and image["status"] is None else None
                if result is None or result["status"] != OK:
                    continue
                try:
                    picture = viewed(store.read(result["location"]), max_pixels)
                except NoImageError as error:
                    io.counters[f"images_not_scored.{error}"] += 1
                    continue
                columns = {"document_id": document["document_id"], "position": position}
                yield columns, _in_context(document["texts"], image, position, picture)


def viewed(content: bytes, max_pixels: int) -> Image.Image:
    """The image in RGB, rotated upright, with a shorter side of at most `PICTURE_SIDE`. Raises `NoImageError`."""
    with opened(content, max_pixels=max_pixels) as image:
        fitting = (factor for factor in pixels.FACTORS if min(image.size) >= 2 * PICTURE_SIDE * factor)
        picture = pixels.shown(image, next(fitting, 1), pixels.orientation_of(image))
    target = target_size(*picture.size, "shortest_side", PICTURE_SIDE)
    picture = picture if target is None else resized(picture, target)
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
