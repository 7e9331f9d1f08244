"""An evaluation from its recipe to its numbers: every number of shots, every seed, batch by batch.

OUTPUT/recipe.yaml, OUTPUT/evaluation.json      as resolved; what the predictions belong to
OUTPUT/predictions/                             see predictions.py
OUTPUT/results.json                             see results.py
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.evaluate.asking import Asker, Question
from m3w.trainer.evaluate.checkpoint import open_checkpoint
from m3w.trainer.evaluate.example import EvaluationError, Example
from m3w.trainer.evaluate.features import Features
from m3w.trainer.evaluate.finetuning import finetuned
from m3w.trainer.evaluate.media import UnreadableMediaError
from m3w.trainer.evaluate.pictures import Pictures
from m3w.trainer.evaluate.predictions import PredictionFiles, claim_output
from m3w.trainer.evaluate.recipe import EvaluationRecipe
from m3w.trainer.evaluate.results import condition, group_of_queries, group_summary, paired, summary, write_results
from m3w.trainer.evaluate.round_trip import RoundTrip
from m3w.trainer.evaluate.scoring import possible_metrics
from m3w.trainer.evaluate.supports import Supports, draw, same_picture
from m3w.trainer.evaluate.task import Task
from m3w.trainer.evaluate.tasks.reading import located
from m3w.trainer.evaluate.tasks.table import table_columns

log = logging.getLogger(__name__)

QUERY_SEED = 0
"""Of the draw of `limit` queries and of the pictures that stand in for theirs: the same for all seeds."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many batches of it are done, and how many there are."""


@dataclass(frozen=True)
class Evaluation:
    """What one process needs."""

    recipe: EvaluationRecipe
    task: Task
    ranks: Ranks
    asker: Asker
    questions: list[Question]
    supports: list[Example]

    @property
    def queries(self) -> list[Example]:
        return [question.example for question in self.questions]

    def batches(self) -> list[list[Question]]:
        size = self.recipe.batch_size
        return [self.questions[at : at + size] for at in range(0, len(self.questions), size)]


def evaluate(checkpoint: Path, recipe: EvaluationRecipe, ranks: Ranks, progress: Progress) -> dict[str, Any]:
    """Asks what has not been asked yet and gives the results, which the first rank writes.

    Raises EvaluationError for what the user can put right.
    """
    asked = checkpoint if recipe.finetune is None else finetuned(checkpoint, recipe, ranks)
    evaluation = prepare(asked, recipe, ranks)
    for seed in recipe.seeds:
        if all(not _missing(evaluation, shots, seed) for shots in recipe.shots):
            continue
        supports = _supports(evaluation, seed, progress)
        for shots in recipe.shots:
            _ask(evaluation, shots, supports, progress)
    ranks.wait()
    trip = None
    if recipe.round_trip is not None and ranks.first:
        trip = RoundTrip(recipe.round_trip, Path(recipe.output) / "round-trip", ranks.device)
    results = score(evaluation, trip)
    results["checkpoint"] = str(checkpoint)
    if ranks.first:
        write_results(Path(recipe.output) / "results.json", results)
    ranks.wait()
    return results


def prepare(checkpoint: Path, recipe: EvaluationRecipe, ranks: Ranks) -> Evaluation:
    """Files read, model loaded, output claimed."""
    task, output = recipe.resolved_task(), Path(recipe.output)
    queries = draw(task.examples("queries", recipe.root), recipe.limit, QUERY_SEED)
    needs_supports = max(recipe.shots) > 0 or recipe.text_exemplars > 0
    supports = task.examples("supports", recipe.root) if needs_supports else []
    if task.form == "close" and any(not query.choices for query in queries):
        raise EvaluationError("a query of a close-ended task has no choices to rank; give `choices`, or form: open")
    asked = open_checkpoint(checkpoint, ranks.device)
    if ranks.first:
        claim_output(output, {"checkpoint": asked.fingerprint, **recipe.identity()})
        (output / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(), sort_keys=False), encoding="utf-8")
    ranks.wait()
    pictures = Pictures(asked.processor, recipe.frames)
    features = None
    if recipe.choose == "rices":
        folder = Path(recipe.features) if recipe.features else output / "features"
        features = Features(folder, asked.model.vision_encoder, pictures)
    asker = Asker(recipe, task, asked, pictures, features)
    return Evaluation(recipe, task, ranks, asker, _questions(queries, recipe), supports)


def _questions(queries: list[Example], recipe: EvaluationRecipe) -> list[Question]:
    """Queries with their pictures or, of `query_image: other`, with those of the queries behind them in a drawn order.

    What another picture shows is left to chance, so that what is answered right is what guessing answers right.
    """
    if recipe.query_image == "own":
        return [Question(query, query.media) for query in queries]
    drawn = random.Random(QUERY_SEED).sample(queries, len(queries))
    place = {query.key: at for at, query in enumerate(drawn)}
    found = []
    for query in queries:
        behind = (drawn[(place[query.key] + step) % len(drawn)].media for step in range(1, len(drawn)))
        other = next((media for media in behind if not same_picture(media, query.media)), None)
        if other is None:
            raise EvaluationError("query_image is `other` and all queries have one picture; set it to `own`")
        found.append(Question(query, other))
    return found


def _missing(evaluation: Evaluation, shots: int, seed: int) -> list[int]:
    files = PredictionFiles(Path(evaluation.recipe.output), shots, seed)
    return files.missing([[question.example.key for question in batch] for batch in evaluation.batches()])


def _ask(evaluation: Evaluation, shots: int, supports: Supports, progress: Progress) -> None:
    """This rank's share of the batches that are not there."""
    ranks, batches = evaluation.ranks, evaluation.batches()
    missing = _missing(evaluation, shots, supports.seed)
    ranks.wait()  # all have looked before one writes
    writer = PredictionFiles(Path(evaluation.recipe.output), shots, supports.seed).writer(ranks.rank)
    mine = missing[ranks.rank :: ranks.count]
    label = f"{shots} shots, seed {supports.seed}"
    try:
        for done, number in enumerate(mine):
            progress(label, done, len(mine))
            writer.write(evaluation.asker.ask(batches[number], shots, supports))
    finally:
        writer.close()
    progress(label, len(mine), len(mine))
    ranks.wait()


def _supports(evaluation: Evaluation, seed: int, progress: Progress) -> Supports:
    pool, asker = draw(evaluation.supports, evaluation.recipe.draw, seed), evaluation.asker
    if asker.features is None:
        return Supports(pool, seed)
    ranks = evaluation.ranks
    if ranks.count > 1:  # each computes a share, then all read all
        _features(asker.features, pool[ranks.rank :: ranks.count], progress, seed)
        ranks.wait()
    return Supports(pool, seed, _features(asker.features, pool, progress, seed))


def _features(features: Features, pool: Sequence[Example], progress: Progress, seed: int) -> Tensor:
    """features_PV; nan for a picture that cannot be read."""
    found: list[Tensor | None] = []
    for done, support in enumerate(pool):
        if done % 64 == 0:
            progress(f"features of the supports, seed {seed}", done, len(pool))
        try:
            found.append(features.of(support.media))
        except UnreadableMediaError:
            found.append(None)
    width = next((len(each) for each in found if each is not None), 1)
    return torch.stack([torch.full((width,), torch.nan) if each is None else each for each in found])


def score(evaluation: Evaluation, trip: RoundTrip | None = None) -> dict[str, Any]:
    """All scores of the predictions in the output; with `trip` that of the pictures drawn from captions, too."""
    recipe, queries = evaluation.recipe, evaluation.queries
    metrics, left_out = possible_metrics(evaluation.task.metrics)
    groups = None if recipe.split_by is None else _groups(recipe, queries)
    conditions, unreadable = [], {}
    for shots in recipe.shots:
        for seed in recipe.seeds:
            pairs, failed = paired(queries, PredictionFiles(Path(recipe.output), shots, seed).lines())
            if not pairs:
                reason = next(iter(failed.values()))
                raise EvaluationError(
                    f"no picture of {len(failed)} queries is readable ({reason}); set `root` or `images`"
                )
            unreadable.update(failed)
            found = condition(shots, seed, pairs, metrics, groups)
            if trip is not None:
                drawn = trip.score([(example, prediction.answer) for example, prediction in pairs])
                found["metrics"]["round_trip"] = drawn.value
            conditions.append(found)
    results: dict[str, Any] = {
        "task": recipe.task,
        "headline": metrics[0] if metrics else None,
        "queries": len(queries),
        "supports": len(evaluation.supports),
        "choose": recipe.choose,
        "query_image": recipe.query_image,
        "summary": summary(conditions),
        "conditions": conditions,
        "unreadable_queries": unreadable,
        "unreadable_media": dict(sorted(evaluation.asker.pictures.unreadable.items())),
    }
    if groups is not None:
        results["groups"] = group_summary(conditions)
    if left_out:
        results["left_out"] = {"meteor": left_out}
    return results


def _groups(recipe: EvaluationRecipe, queries: list[Example]) -> dict[str, str]:
    assert recipe.split_by is not None
    split = recipe.split_by
    rows = None if split.table is None else table_columns(located(recipe.root, split.table), split.key)
    return group_of_queries(queries, split.column, rows)
