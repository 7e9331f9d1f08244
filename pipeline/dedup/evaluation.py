"""Whether a text or an image of the crawl is in the evaluation sets, by the sets' hashes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from m3w.pipeline.dedup.hamming import near_any
from m3w.pipeline.dedup.ngrams import U64, ngram_hashes, words


class EvaluationTexts:
    """N-grams of the evaluation texts.

    As GPT-3 (arXiv 2005.14165, appendix C) a shared run of 13 words tells that a text was seen. It cuts 200 characters
    around the run out of the document; here the whole document goes, as parts of the text would still be the set's.
    """

    def __init__(self, hashes: U64, ngram: int):
        self._hashes, self._ngram = hashes, ngram

    def shared_by(self, texts: list[str]) -> list[bool]:
        """Which of `texts` share an n-gram with any evaluation text."""
        hashes, counts = ngram_hashes([words(text) for text in texts], self._ngram)
        hits = np.concatenate([[0], np.cumsum(_contained(hashes, self._hashes))])
        ends = np.cumsum(counts)
        return [bool(found) for found in hits[ends] > hits[ends - counts]]


class EvaluationImages:
    """Perceptual hashes of the evaluation images."""

    def __init__(self, hashes: U64, distance: int):
        self._hashes, self._distance = hashes, distance

    def near(self, phashes: U64) -> NDArray[np.bool_]:
        """Which of `phashes` are within the distance of any evaluation image."""
        return near_any(phashes, self._hashes, self._distance)


def _contained(values: U64, among: U64) -> NDArray[np.bool_]:
    if not len(among):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(among, values), len(among) - 1)
    found: NDArray[np.bool_] = among[places] == values
    return found
