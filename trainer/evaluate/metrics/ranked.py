"""Metrics over scores: ROC AUC, weighted average precision, NDCG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def roc_auc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The probability that a positive scores above a negative, ties counting half; nan without one of both.

    By ranks (Mann and Whitney): the area under the ROC curve, as scikit-learn's `roc_auc_score` gives it.
    """
    values, labels = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return math.nan
    _, indices, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[indices]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> float:
    """The weighted mean of the precision at every positive, from the highest score down; equal scores are one step.

    As scikit-learn's `average_precision_score` with `sample_weight`.
    """
    order = np.argsort(-scores, kind="stable")
    scores, gains, weights = scores[order], (positive * weights)[order], weights[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true, retrieved = np.cumsum(gains)[last], np.cumsum(weights)[last]
    return float(np.sum(np.diff(true, prepend=0.0) * true / retrieved) / true[-1])


def mean_weighted_average_precision(
    scores: Floats, videos: Sequence[str], actions: Sequence[tuple[str, str]], annotations: Sequence[int]
) -> float:
    """mWAP of RareAct (Miech et al., arXiv 2008.01018), in 0 to 1; nan without a positive.

    scores [clips, classes], the classes in the order in which `actions` (verb and noun of every clip) first names them.
    annotations: 1 positive; 0 negative; 2, 3, 4 hard negative of the clip's own class. A positive of a class is a
    negative of the others. A clip weighs 1 / the number of clips of its video in its group (positive, negative,
    hard), so every video counts once. Classes without a positive are left out of the mean.
    """
    precisions = []
    for number, action in enumerate(dict.fromkeys(actions)):
        positives, negatives, hard = _groups(action, actions, annotations)
        if positives:
            weights = np.concatenate([_one_a_video(group, videos) for group in (positives, negatives, hard)])
            labels = np.arange(len(weights)) < len(positives)
            precisions.append(average_precision(scores[[*positives, *negatives, *hard], number], labels, weights))
    return float(np.mean(precisions)) if precisions else math.nan


def _groups(
    action: tuple[str, str], actions: Sequence[tuple[str, str]], annotations: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """The clips that are positives, negatives and hard negatives of one class."""
    positives: list[int] = []
    negatives: list[int] = []
    hard: list[int] = []
    for clip, (other, annotation) in enumerate(zip(actions, annotations, strict=True)):
        if other == action:
            (positives if annotation == 1 else negatives if annotation == 0 else hard).append(clip)
        elif annotation == 1:
            (hard if other[0] == action[0] or other[1] == action[1] else negatives).append(clip)
    return positives, negatives, hard


def _one_a_video(group: list[int], videos: Sequence[str]) -> Floats:
    clips = Counter(videos[clip] for clip in group)
    return np.array([1 / clips[videos[clip]] for clip in group], dtype=np.float64)


def ndcg(scores: Sequence[float], relevance: Sequence[float]) -> float:
    """NDCG of one VisDial question, 0 to 1: over the first k options, where k options have a relevance above 0.

    Das et al., arXiv 1611.08669, and the challenge's definition: gain is the relevance itself, discount log2(rank + 1).
    Without a relevant option it is 0, as in the published code.
    """
    relevant = sum(value > 0 for value in relevance)
    if not relevant:
        return 0.0
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")[:relevant]
    discount = np.log2(np.arange(relevant) + 2)
    values = np.asarray(relevance, dtype=np.float64)
    ideal = np.sort(values)[::-1][:relevant]
    return float((values[order] / discount).sum() / (ideal / discount).sum())
