"""ROUGE-L of captions: the longest common subsequence with any reference.

Lin, 2004, with beta 1.2 as in the COCO caption evaluation: the best precision and the best recall over the
references are put together, even where they come from two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BETA = 1.2


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """The mean, and each caption's ROUGE-L in 0 to 1, of tokenised captions beside their tokenised references."""
    scores = [_one(candidate, others) for candidate, others in zip(candidates, references, strict=True)]
    return float(np.mean(scores)) if scores else 0.0, scores


def _one(candidate: str, references: Sequence[str]) -> float:
    words = candidate.split(" ")  # an empty caption is one empty word, as in coco-caption
    found = [(common_length(reference.split(" "), words), len(reference.split(" "))) for reference in references]
    precision = max(common / len(words) for common, _ in found)
    recall = max(common / length for common, length in found)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for at, theirs in enumerate(other, 1):
            above = row[at]
            row[at] = diagonal + 1 if word == theirs else max(above, row[at - 1])
            diagonal = above
    return row[-1]
