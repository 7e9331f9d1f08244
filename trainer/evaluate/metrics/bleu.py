"""BLEU-1 to BLEU-4 of a corpus, as the COCO caption evaluation has it.

Papineni et al., 2002; the constants and the choice of the reference length are those of coco-caption
(Chen et al., arXiv 1504.00325), whose published scores this gives to 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from m3w.trainer.evaluate.metrics.ngrams import LONGEST, Ngram, count_ngrams

TINY, SMALL = 1e-15, 1e-9
"""Added to matches and to guesses, so that a corpus without a match scores nearly 0 and nothing is divided by 0."""


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """BLEU-1 to BLEU-4, each in 0 to 1, of tokenised captions, each beside its tokenised references.

    The length that brevity is measured by is that of the reference nearest in length, the shorter one of two.
    """
    matched, guessed = [0] * LONGEST, [0] * LONGEST
    length, reference_length = 0, 0
    for candidate, others in zip(candidates, references, strict=True):
        words, given = candidate.split(), [other.split() for other in others]
        length += len(words)
        reference_length += min((abs(len(other) - len(words)), len(other)) for other in given)[1]
        for run, times in _clipped(words, given).items():
            matched[len(run) - 1] += times
        for size in range(1, LONGEST + 1):
            guessed[size - 1] += max(0, len(words) - size + 1)
    ratio = (length + TINY) / (reference_length + SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = [], 1.0
    for size in range(1, LONGEST + 1):
        product *= (matched[size - 1] + TINY) / (guessed[size - 1] + SMALL)
        scores.append(product ** (1 / size) * brevity)
    return scores


def _clipped(words: list[str], references: list[list[str]]) -> dict[Ngram, int]:
    """Matches of each run, at most as many as one reference has."""
    most = [count_ngrams(reference) for reference in references]
    return {
        run: min(times, max((counts[run] for counts in most), default=0)) for run, times in count_ngrams(words).items()
    }
