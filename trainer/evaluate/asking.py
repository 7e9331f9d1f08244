"""One batch of queries asked of the model: supports chosen, prompts written, answers generated or ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from m3w.trainer.distributed.precision import autocast
from m3w.trainer.evaluate.answering import answer
from m3w.trainer.evaluate.checkpoint import Asked
from m3w.trainer.evaluate.example import Example, Media
from m3w.trainer.evaluate.features import Features
from m3w.trainer.evaluate.media import UnreadableMediaError
from m3w.trainer.evaluate.pictures import Pictures
from m3w.trainer.evaluate.prompt import Prompt, answer_ids, answered, write_prompt
from m3w.trainer.evaluate.ranking import rank
from m3w.trainer.evaluate.recipe import EvaluationRecipe
from m3w.trainer.evaluate.rows import Row
from m3w.trainer.evaluate.supports import Supports, orders
from m3w.trainer.evaluate.task import Task

Record = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A query with the picture that it is asked with: its own, or another's."""

    example: Example
    media: Media


@dataclass(frozen=True)
class Asker:
    """Everything that asking needs, of one process."""

    recipe: EvaluationRecipe
    task: Task
    asked: Asked
    pictures: Pictures
    features: Features | None

    def ask(self, questions: Sequence[Question], shots: int, supports: Supports) -> list[Record]:
        """A line for the file of predictions for each question; one whose picture cannot be read says why."""
        readable = [question for question in questions if self.pictures.is_readable(question.media)]
        prompts = {question.example.key: self._prompts(question, shots, supports) for question in readable}
        with autocast(self.asked.model.device, self.recipe.precision):
            said = self._rank(readable, prompts) if self.task.form == "close" else self._answer(readable, prompts)
        return [self._record(question, prompts, said) for question in questions]

    def _record(self, question: Question, prompts: dict[str, list[Prompt]], said: dict[str, Record]) -> Record:
        example = question.example
        if example.key not in said:
            return {"key": example.key, "unreadable": self.pictures.unreadable[question.media.path]}
        prompt = prompts[example.key][0]
        return {
            "key": example.key,
            "prompt": prompt.shown(),
            "media": [_place(media) for media in prompt.media],
            **said[example.key],
            "references": list(example.references),
        }

    def _prompts(self, question: Question, shots: int, supports: Supports) -> list[Prompt]:
        """The query's prompt in each order of its shots."""
        chosen = self._supports(question, shots or self.recipe.text_exemplars, supports, seen=shots > 0)
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
            for order in orders(chosen, count, f"{supports.seed}/{question.example.key}")
        ]

    def _supports(self, question: Question, count: int, supports: Supports, *, seen: bool) -> list[Example]:
        """The first `count` candidates whose pictures can be read, the best last; of text alone, whatever they show."""
        feature_V = self._feature(question.media) if supports.features_PV is not None else None
        return supports.choose(
            question.example, count, feature_V, lambda support: not seen or self.pictures.is_readable(support.media)
        )

    def _feature(self, media: Media) -> Tensor | None:
        assert self.features is not None
        try:
            return self.features.of(media)
        except UnreadableMediaError:
            return None

    def _row(self, prompt: Prompt) -> Row:
        pixels = [self.pictures.pixels(media) for media in prompt.media]
        return Row(prompt.encode(self.asked.tokenize, self.asked.special), pixels)

    def _answer(self, questions: Sequence[Question], prompts: dict[str, list[Prompt]]) -> dict[str, Record]:
        if not questions:
            return {}
        said = answer(
            self.asked.model,
            self.asked.processor.tokenizer,
            self.asked.special,
            [self._row(prompts[question.example.key][0]) for question in questions],
            max_new_tokens=self.task.max_new_tokens,
            beams=self.recipe.beams,
            length_penalty=self.recipe.length_penalty,
            stop=self.task.stop,
        )
        return {question.example.key: {"answer": text} for question, text in zip(questions, said, strict=True)}

    def _rank(self, questions: Sequence[Question], prompts: dict[str, list[Prompt]]) -> dict[str, Record]:
        """Each choice's log-likelihood, averaged over the orders (appendix A.2)."""
        sums = {question.example.key: torch.zeros(len(question.example.choices)) for question in questions}
        for order in range(max((len(written) for written in prompts.values()), default=0)):
            asked = [question for question in questions if len(prompts[question.example.key]) > order]
            rows = [self._row(prompts[question.example.key][order]) for question in asked]
            ids = [self._choices(question.example, prompts[question.example.key][order]) for question in asked]
            padding = self.asked.processor.tokenizer.pad_token_id
            for question, scores, choices in zip(
                asked, rank(self.asked.model, rows, ids, padding, at_once=self.recipe.answers_at_once), ids, strict=True
            ):
                lengths = torch.tensor([len(choice) if self.recipe.normalise_length else 1 for choice in choices])
                sums[question.example.key] += torch.tensor(scores) / lengths
        examples = [question.example for question in questions]
        return {example.key: _best(example, sums[example.key], len(prompts[example.key])) for example in examples}

    def _choices(self, example: Example, prompt: Prompt) -> list[list[int]]:
        end = [self.asked.special.end_of_chunk] if self.recipe.end_of_chunk else []
        text = prompt.chunks[-1].text
        return [
            [*answer_ids(text, answered(self.task, choice), self.asked.tokenize), *end] for choice in example.choices
        ]


def _best(example: Example, sums: Tensor, count: int) -> Record:
    scores = (sums / count).tolist()
    return {"answer": example.choices[int(sums.argmax())], "scores": scores, "orders": count}


def _place(media: Media) -> str:
    seconds = "" if media.start is None else f" {media.start:g}-{media.end:g} s"
    record = "" if media.offset is None else f" at byte {media.offset}"
    return f"{media.path}{seconds}{record}"
