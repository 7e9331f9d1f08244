"""Metrics by name. Scores are in hundredths, as papers print them (CIDEr 0.6 as 60)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.metrics.answers import agreement, exact_match, vqa_accuracy
from m3w.trainer.evaluate.metrics.captions import bleu, cider, meteor, rouge_l, tokenise, why_no_meteor
from m3w.trainer.evaluate.metrics.ranked import mean_weighted_average_precision, ndcg, roc_auc
from m3w.trainer.evaluate.tasks.source import Example


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answer to one query."""

    key: str
    answer: str
    """Generated, or the choice with the highest score."""
    scores: tuple[float, ...] = ()
    """Log-likelihood of each choice, nats, in the order of the example's choices."""


@dataclass(frozen=True, slots=True)
class Score:
    value: float
    """In hundredths: 60 for a metric's 0.6."""
    each: tuple[float, ...] | None = None
    """The score of each query, if `value` is their mean."""


Pairs = Sequence[tuple[Example, Prediction]]


def _mean(each: Sequence[float]) -> Score:
    hundredths = tuple(100.0 * value for value in each)
    return Score(float(np.mean(hundredths)) if hundredths else math.nan, hundredths)


def _captions(pairs: Pairs) -> tuple[list[str], list[list[str]]]:
    return (
        [tokenise(prediction.answer) for _, prediction in pairs],
        [[tokenise(reference) for reference in example.references] for example, _ in pairs],
    )


def _cider(pairs: Pairs) -> Score:
    return _mean(cider(*_captions(pairs))[1])


def _rouge(pairs: Pairs) -> Score:
    return _mean(rouge_l(*_captions(pairs))[1])


def _bleu_4(pairs: Pairs) -> Score:
    return Score(100.0 * bleu(*_captions(pairs))[3])


def _meteor(pairs: Pairs) -> Score:
    return Score(100.0 * meteor(*_captions(pairs)))


def _by_answer(rule: Callable[[str, Sequence[str]], float]) -> Callable[[Pairs], Score]:
    return lambda pairs: _mean([rule(prediction.answer, example.references) for example, prediction in pairs])


def _accuracy(pairs: Pairs) -> Score:
    return _mean([float(prediction.answer in example.references) for example, prediction in pairs])


def _roc_auc(pairs: Pairs) -> Score:
    """By the log-likelihood of "yes" minus that of "no": the same order as by the probability of "yes"."""
    scores, positive = [], []
    for example, prediction in pairs:
        if "yes" not in example.choices or "no" not in example.choices:
            raise InputError(f"{example.key} has the choices {list(example.choices)}; roc_auc needs yes and no")
        by_choice = dict(zip(example.choices, prediction.scores, strict=True))
        scores.append(by_choice["yes"] - by_choice["no"])
        positive.append("yes" in example.references)
    return Score(100.0 * roc_auc(scores, positive))


def _ndcg(pairs: Pairs) -> Score:
    if any(len(example.relevance) != len(example.choices) for example, _ in pairs):
        raise InputError("ndcg needs the relevance of every choice; give the dense annotations")
    return _mean([ndcg(prediction.scores, example.relevance) for example, prediction in pairs])


def _mwap(pairs: Pairs) -> Score:
    actions = [(example.columns["verb"], example.columns["noun"]) for example, _ in pairs]
    named = list(dict.fromkeys(actions))
    columns = [pairs[0][0].choices.index(" ".join(action)) for action in named]
    scores = np.array([prediction.scores for _, prediction in pairs], dtype=np.float64)[:, columns]
    videos = [example.columns["video_id"] for example, _ in pairs]
    annotations = [int(example.columns["annotation"]) for example, _ in pairs]
    return Score(100.0 * mean_weighted_average_precision(scores, videos, actions, annotations))


METRICS: dict[str, Callable[[Pairs], Score]] = {
    "cider": _cider,
    "bleu_4": _bleu_4,
    "rouge_l": _rouge,
    "meteor": _meteor,
    "vqa_accuracy": _by_answer(vqa_accuracy),
    "exact_match": _by_answer(exact_match),
    "ivqa_accuracy": _by_answer(agreement),
    "accuracy": _accuracy,
    "roc_auc": _roc_auc,
    "ndcg": _ndcg,
    "mwap": _mwap,
}


def possible_metrics(metrics: Sequence[str]) -> tuple[list[str], str | None]:
    """The metrics that can be computed here, and the reason if METEOR cannot."""
    missing = why_no_meteor() if "meteor" in metrics else None
    return [name for name in metrics if name != "meteor" or missing is None], missing
