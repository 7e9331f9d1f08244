"""An evaluation from its recipe to its scores: all numbers of shots and all seeds, batch by batch.

OUTPUT/recipe.yaml, OUTPUT/evaluation.json      the resolved recipe; what the predictions depend on
OUTPUT/predictions/                             see predictions.py
OUTPUT/results.json                             see results.py
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m3w.recipes.errors import InputError
from m3w.recipes.loader import dump_yaml
from m3w.trainer.evaluate.evaluator import Evaluator, Question
from m3w.trainer.evaluate.finetuning import finetune
from m3w.trainer.evaluate.inputs import PixelCache
from m3w.trainer.evaluate.loaded_model import fingerprint, load_model
from m3w.trainer.evaluate.media import UnreadableMediaError
from m3w.trainer.evaluate.predictions import PredictionFiles, claim_output
from m3w.trainer.evaluate.recipe import EvaluationRecipe
from m3w.trainer.evaluate.reconstruction import ImageReconstruction
from m3w.trainer.evaluate.results import condition, group_of_queries, group_summary, paired, summary, write_results
from m3w.trainer.evaluate.scoring import possible_metrics
from m3w.trainer.evaluate.supports import Features, Supports, draw, same_picture
from m3w.trainer.evaluate.task import Task
from m3w.trainer.evaluate.tasks.source import Example, join_path
from m3w.trainer.evaluate.tasks.table import table_columns
from m3w.trainer.ranks import Ranks

QUERY_SEED = 0
"""Seed of the draw of `limit` queries and of the order that gives queries others' pictures: one for all seeds."""

Progress = Callable[[str, int, int], None]
"""Called with a label, the number of batches done, and the number of all batches."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation as one process holds it."""

    recipe: EvaluationRecipe
    task: Task
    ranks: Ranks
    evaluator: Evaluator
    questions: list[Question]
    supports: list[Example]

    @property
    def queries(self) -> list[Example]:
        return [question.example for question in self.questions]

    def batches(self) -> list[list[Question]]:
        size = self.recipe.batch_size
        return [self.questions[start : start + size] for start in range(0, len(self.questions), size)]

    def files(self, shots: int, seed: int) -> PredictionFiles:
        return PredictionFiles(Path(self.recipe.output), shots, seed)

    def missing(self, shots: int, seed: int) -> list[int]:
        """Numbers of the batches that the output does not hold whole."""
        return self.files(shots, seed).missing([[each.example.key for each in batch] for batch in self.batches()])


def evaluate(checkpoint: Path, recipe: EvaluationRecipe, ranks: Ranks, progress: Progress) -> dict[str, Any]:
    """Predict the answers that the output does not hold yet, score all, and return the results.

    The first rank writes them. Raises InputError for a recipe, files or a checkpoint that do not allow it.
    """
    folder = checkpoint if recipe.finetune is None else finetune(checkpoint, recipe, ranks)
    evaluation = prepare(folder, recipe, ranks)
    for seed in recipe.seeds:
        if not any(evaluation.missing(shots, seed) for shots in recipe.shots):
            continue
        supports = _supports(evaluation, seed, progress)
        for shots in recipe.shots:
            _predict(evaluation, shots, supports, progress)
    ranks.wait()
    reconstruction = None
    if recipe.round_trip is not None and ranks.first:
        images = Path(recipe.output) / "round-trip"
        reconstruction = ImageReconstruction(recipe.round_trip, images, ranks.device)
    results = score(evaluation, reconstruction)
    results["checkpoint"] = str(checkpoint)
    if ranks.first:
        write_results(Path(recipe.output) / "results.json", results)
    ranks.wait()
    return results


def prepare(checkpoint: Path, recipe: EvaluationRecipe, ranks: Ranks) -> Evaluation:
    """Read the examples, load the model, claim the output."""
    task, output = recipe.resolved_task(), Path(recipe.output)
    queries = draw(task.examples("queries", recipe.root), recipe.limit, QUERY_SEED)
    needs_supports = max(recipe.shots) > 0 or recipe.text_exemplars > 0
    supports = task.examples("supports", recipe.root) if needs_supports else []
    if task.form == "close" and any(not query.choices for query in queries):
        raise InputError("a query of a close-ended task has no choices to rank; give `choices`, or form: open")
    loaded = load_model(checkpoint, ranks.device)
    if ranks.first:
        claim_output(output, {"checkpoint": fingerprint(checkpoint), **recipe.identity()})
        (output / "recipe.yaml").write_text(dump_yaml(recipe.model_dump()), encoding="utf-8")
    ranks.wait()
    cache = PixelCache(loaded.processor, recipe.frames)
    features = None
    if recipe.choose == "rices":
        folder = Path(recipe.features) if recipe.features else output / "features"
        features = Features(folder, loaded.model.vision_encoder, cache)
    evaluator = Evaluator(recipe, task, loaded, cache, features)
    return Evaluation(recipe, task, ranks, evaluator, _questions(queries, recipe), supports)


def _questions(queries: list[Example], recipe: EvaluationRecipe) -> list[Question]:
    """Queries with their own pictures or, with `query_image: other`, with that of the next query in a random order.

    The other picture is unrelated to the query, so the score is what a model reaches without looking.
    """
    if recipe.query_image == "own":
        return [Question(query, query.media) for query in queries]
    shuffled = random.Random(QUERY_SEED).sample(queries, len(queries))
    positions = {query.key: position for position, query in enumerate(shuffled)}
    questions = []
    for query in queries:
        start = positions[query.key]
        others = (shuffled[(start + step) % len(shuffled)].media for step in range(1, len(shuffled)))
        other = next((media for media in others if not same_picture(media, query.media)), None)
        if other is None:
            raise InputError("query_image is `other` and all queries have one picture; set it to `own`")
        questions.append(Question(query, other))
    return questions


def _predict(evaluation: Evaluation, shots: int, supports: Supports, progress: Progress) -> None:
    """Predict this rank's share of the missing batches."""
    ranks, batches = evaluation.ranks, evaluation.batches()
    missing = evaluation.missing(shots, supports.seed)
    ranks.wait()  # no rank writes before all have looked
    writer = evaluation.files(shots, supports.seed).writer(ranks.rank)
    mine = missing[ranks.rank :: ranks.count]
    label = f"{shots} shots, seed {supports.seed}"
    try:
        for done, number in enumerate(mine):
            progress(label, done, len(mine))
            writer.write(evaluation.evaluator.predict(batches[number], shots, supports))
    finally:
        writer.close()
    progress(label, len(mine), len(mine))
    ranks.wait()


def _supports(evaluation: Evaluation, seed: int, progress: Progress) -> Supports:
    pool, features = draw(evaluation.supports, evaluation.recipe.draw, seed), evaluation.evaluator.features
    if features is None:
        return Supports(pool, seed)
    ranks = evaluation.ranks
    if ranks.count > 1:  # each rank computes a share, then all read all
        _features(features, pool[ranks.rank :: ranks.count], progress, seed)
        ranks.wait()
    return Supports(pool, seed, _features(features, pool, progress, seed))


def _features(features: Features, pool: Sequence[Example], progress: Progress, seed: int) -> Tensor:
    """features_PV; nan for a picture that cannot be read."""
    rows: list[Tensor | None] = []
    for done, support in enumerate(pool):
        if done % 64 == 0:
            progress(f"features of the supports, seed {seed}", done, len(pool))
        try:
            rows.append(features.of(support.media))
        except UnreadableMediaError:
            rows.append(None)
    width = next((len(row) for row in rows if row is not None), 1)
    return torch.stack([torch.full((width,), torch.nan) if row is None else row for row in rows])


def score(evaluation: Evaluation, reconstruction: ImageReconstruction | None = None) -> dict[str, Any]:
    """All scores of the predictions in the output; `reconstruction` adds the metric `round_trip`."""
    recipe, queries = evaluation.recipe, evaluation.queries
    metrics, left_out = possible_metrics(evaluation.task.metrics)
    groups = None if recipe.split_by is None else _groups(recipe, queries)
    conditions, unreadable = [], {}
    for shots in recipe.shots:
        for seed in recipe.seeds:
            pairs, failed = paired(queries, evaluation.files(shots, seed).lines())
            if not pairs:
                reason = next(iter(failed.values()))
                raise InputError(f"no picture of {len(failed)} queries is readable ({reason}); set `root` or `images`")
            unreadable.update(failed)
            scores = condition(shots, seed, pairs, metrics, groups)
            if reconstruction is not None:
                captions = [(example, prediction.answer) for example, prediction in pairs]
                scores["metrics"]["round_trip"] = reconstruction.score(captions).value
            conditions.append(scores)
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
        "unreadable_media": dict(sorted(evaluation.evaluator.cache.unreadable.items())),
    }
    if groups is not None:
        results["groups"] = group_summary(conditions)
    if left_out:
        results["left_out"] = {"meteor": left_out}
    return results


def _groups(recipe: EvaluationRecipe, queries: list[Example]) -> dict[str, str]:
    assert recipe.split_by is not None
    split = recipe.split_by
    rows = None if split.table is None else table_columns(join_path(recipe.root, split.table), split.key)
    return group_of_queries(queries, split.column, rows)
