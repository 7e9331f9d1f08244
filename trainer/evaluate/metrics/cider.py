"""CIDEr-D, the CIDEr that COCO and the paper report.

Vedantam et al., arXiv 1411.5726: the cosine of tf-idf vectors of 1- to 4-grams, with counts clipped to the reference's
and a Gaussian penalty (sigma 6) on the difference in length; times 10. How common a run is, is counted over the
references of the captions that are scored, so a score belongs to its set of images.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from m3w.trainer.evaluate.metrics.ngrams import LONGEST, Ngram, count_ngrams

SIGMA = 6.0
SCALE = 10.0


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """The mean over all captions, and each one's CIDEr-D (1.0 is what papers print as 100), of tokenised captions.

    Deviation: with references of a single image every run is as common as can be and all weights are 0, as in
    coco-caption; no frequencies of another corpus are put in their place.
    """
    counted = [[count_ngrams(reference.split()) for reference in others] for others in references]
    seen = Counter(run for others in counted for run in {run for counts in others for run in counts})
    images = math.log(max(1, len(counted)))
    scores = []
    for candidate, others in zip(candidates, counted, strict=True):
        vector = _Weighted(count_ngrams(candidate.split()), seen, images)
        total = sum(vector.likeness(_Weighted(counts, seen, images)) for counts in others)
        scores.append(SCALE * total / len(others))
    return float(np.mean(scores)) if scores else 0.0, scores


class _Weighted:
    """A caption's runs by length, each weighted by how often it is here and how rare elsewhere."""

    def __init__(self, counts: Counter[Ngram], seen: Counter[Ngram], images: float) -> None:
        self.weights: list[dict[Ngram, float]] = [{} for _ in range(LONGEST)]
        for run, times in counts.items():
            self.weights[len(run) - 1][run] = times * (images - math.log(max(1, seen[run])))
        self.norms = [math.sqrt(sum(weight**2 for weight in weights.values())) for weights in self.weights]
        self.length = sum(times for run, times in counts.items() if len(run) == 2)  # as coco-caption measures it

    def likeness(self, reference: _Weighted) -> float:
        """Mean over the lengths of the clipped cosine with the reference, after the penalty."""
        penalty = math.exp(-((self.length - reference.length) ** 2) / (2 * SIGMA**2))
        total = 0.0
        for ours, theirs, our_norm, their_norm in zip(
            self.weights, reference.weights, self.norms, reference.norms, strict=True
        ):
            product = sum(min(weight, theirs.get(run, 0.0)) * theirs.get(run, 0.0) for run, weight in ours.items())
            total += product / (our_norm * their_norm) if our_norm and their_norm else product
        return penalty * total / LONGEST
