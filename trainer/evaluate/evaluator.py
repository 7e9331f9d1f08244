"""The evaluation of one batch of queries: choose supports, write prompts, generate or rank answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from m3w.trainer.evaluate.answers import generate_answers, rank_answers
from m3w.trainer.evaluate.inputs import PixelCache, Prompt, Row, format_answer, write_prompt
from m3w.trainer.evaluate.loaded_model import LoadedModel
from m3w.trainer.evaluate.media import UnreadableMediaError
from m3w.trainer.evaluate.recipe import EvaluationRecipe
from m3w.trainer.evaluate.supports import Features, Supports, permutations
from m3w.trainer.evaluate.task import Task
from m3w.trainer.evaluate.tasks.source import Example, Media
from m3w.trainer.loss import autocast

Record = dict[str, Any]
"""One line of a file of predictions."""
Prompts = dict[str, list[Prompt]]
"""By the query's key, its prompt in each order of the shots."""


@dataclass(frozen=True)
class Question:
    """A query with the picture that it is asked with: its own, or another's."""

    example: Example
    media: Media


@dataclass(frozen=True)
class Evaluator:
    """What one process needs to predict answers."""

    recipe: EvaluationRecipe
    task: Task
    loaded: LoadedModel
    cache: PixelCache
    features: Features | None

    def predict(self, questions: Sequence[Question], shots: int, supports: Supports) -> list[Record]:
        """A record for each question; the record of one whose picture cannot be read says why."""
        readable = [question for question in questions if self.cache.is_readable(question.media)]
        prompts = {question.example.key: self._prompts(question, shots, supports) for question in readable}
        predict = self._rank if self.task.form == "close" else self._generate
        with autocast(self.loaded.model.device, self.recipe.precision):
            predictions = predict(readable, prompts) if readable else {}
        return [self._record(question, prompts, predictions) for question in questions]

    def _record(self, question: Question, prompts: Prompts, predictions: dict[str, Record]) -> Record:
        example = question.example
        if example.key not in predictions:
            return {"key": example.key, "unreadable": self.cache.unreadable[question.media.path]}
        prompt = prompts[example.key][0]
        return {
            "key": example.key,
            "prompt": prompt.to_text(),
            "media": [str(media) for media in prompt.media],
            **predictions[example.key],
            "references": list(example.references),
        }

    def _prompts(self, question: Question, shots: int, supports: Supports) -> list[Prompt]:
        """The query's prompt in each order of its shots."""
        chosen = self._supports(question, shots or self.recipe.text_exemplars, supports, with_pictures=shots > 0)
        count = self.recipe.orders if self.task.form == "close" else 1
        return [
            write_prompt(
                self.task,
                question.example,
                order,
                text_only=shots == 0,
                query_media=question.media,
                starts_with_end_of_chunk=self.recipe.starts_with_end_of_chunk,
            )
            for order in permutations(chosen, count, f"{supports.seed}/{question.example.key}")
        ]

    def _supports(self, question: Question, count: int, supports: Supports, *, with_pictures: bool) -> list[Example]:
        """The `count` best supports, the best last; with pictures, only those whose picture can be read."""
        feature_V = self._feature(question.media) if supports.features_PV is not None else None
        return supports.choose(
            question.example,
            count,
            feature_V,
            lambda support: not with_pictures or self.cache.is_readable(support.media),
        )

    def _feature(self, media: Media) -> Tensor | None:
        assert self.features is not None
        try:
            return self.features.of(media)
        except UnreadableMediaError:
            return None

    def _row(self, prompt: Prompt) -> Row:
        return self.loaded.row(prompt, self.cache.pixels)

    def _generate(self, questions: Sequence[Question], prompts: Prompts) -> dict[str, Record]:
        answers = generate_answers(
            self.loaded,
            [self._row(prompts[question.example.key][0]) for question in questions],
            max_new_tokens=self.task.max_new_tokens,
            beams=self.recipe.beams,
            length_penalty=self.recipe.length_penalty,
            stop=self.task.stop,
        )
        return {question.example.key: {"answer": text} for question, text in zip(questions, answers, strict=True)}

    def _rank(self, questions: Sequence[Question], prompts: Prompts) -> dict[str, Record]:
        """Each choice's log-likelihood, averaged over the orders (appendix A.2)."""
        sums = {question.example.key: torch.zeros(len(question.example.choices)) for question in questions}
        for order in range(max((len(orders) for orders in prompts.values()), default=0)):
            examples = [question.example for question in questions if len(prompts[question.example.key]) > order]
            rows = [self._row(prompts[example.key][order]) for example in examples]
            choices = [self._choice_ids(example, prompts[example.key][order]) for example in examples]
            ranked = rank_answers(
                self.loaded.model, rows, choices, self.loaded.padding, at_once=self.recipe.answers_at_once
            )
            for example, scores, ids in zip(examples, ranked, choices, strict=True):
                lengths = torch.tensor([len(choice) if self.recipe.normalise_length else 1 for choice in ids])
                sums[example.key] += torch.tensor(scores) / lengths
        examples = [question.example for question in questions]
        return {example.key: _best(example, sums[example.key], len(prompts[example.key])) for example in examples}

    def _choice_ids(self, example: Example, prompt: Prompt) -> list[list[int]]:
        end = [self.loaded.special.end_of_chunk] if self.recipe.end_of_chunk else []
        answers = [format_answer(self.task, choice) for choice in example.choices]
        return [[*self.loaded.answer_ids(prompt, answer), *end] for answer in answers]


def _best(example: Example, sums: Tensor, count: int) -> Record:
    scores = (sums / count).tolist()
    return {"answer": example.choices[int(sums.argmax())], "scores": scores, "orders": count}
