"""MinHash and its bands behave as in theory."""

from __future__ import annotations

import numpy as np
import pytest

from m3w.pipeline.dedup.minhash import band_keys, minima, signatures

NGRAM = 5


def test_similarity_is_estimated_without_bias() -> None:
    rng, trials, size = np.random.default_rng(1), 400, 100
    for shared in (20, 50, 80):
        a, b = planted_pairs(rng, trials, size, shared)
        jaccard = shared / (2 * size - shared)
        error = (a == b).mean() - jaccard
        assert abs(error) < 4 * np.sqrt(jaccard * (1 - jaccard) / (trials * 112))


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 5)])
@pytest.mark.parametrize("size", [25, 200])
def test_pairs_are_found_along_the_s_curve(bands: int, rows: int, size: int) -> None:
    """Recall and precision: planted pairs of exact Jaccard similarity s share a band in 1 - (1 - s^rows)^bands."""
    rng, trials = np.random.default_rng(size + bands), 2000
    for similarity in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        shared = round(2 * size * similarity / (1 + similarity))
        jaccard = shared / (2 * size - shared)
        a, b = planted_pairs(rng, trials, size, shared, bands * rows)
        found = (band_keys(a, bands=bands, rows=rows) == band_keys(b, bands=bands, rows=rows)).any(axis=1).mean()
        expected = 1 - (1 - jaccard**rows) ** bands
        assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / trials) + 1 / trials


def planted_pairs(
    rng: np.random.Generator, trials: int, size: int, shared: int, permutations: int = 112
) -> tuple[np.ndarray, np.ndarray]:
    """Minima of pairs of sets of `size` n-gram hashes, `shared` of them in both."""
    a = rng.integers(0, 2**64, (trials, size), dtype=np.uint64)
    b = a.copy()
    b[:, shared:] = rng.integers(0, 2**64, (trials, size - shared), dtype=np.uint64)
    counts = np.full(trials, size)
    return minima(a.ravel(), counts, permutations), minima(b.ravel(), counts, permutations)


def test_texts_are_as_similar_as_their_sets_of_ngrams() -> None:
    rng = np.random.default_rng(5)
    found = [f"word{number}" for number in rng.integers(0, 5000, 2000)]
    changed = [word if number % 100 else "changed" for number, word in enumerate(found)]
    sets = [{tuple(each[i : i + NGRAM]) for i in range(len(each) - NGRAM + 1)} for each in (found, changed)]
    jaccard = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    (a, b), _ = signatures([" ".join(found), " ".join(changed)], ngram=NGRAM, permutations=2000)
    assert 0.85 < jaccard < 0.95 and abs((a == b).mean() - jaccard) < 0.03


def test_order_and_company_do_not_matter() -> None:
    texts = ["a b c d e f g h", "1 2 3 4 5 6 7", "a b c d e f g h i"] * 3
    together, _ = signatures(texts, ngram=NGRAM, permutations=16)
    for text, row in zip(texts, together, strict=True):
        assert (signatures([text], ngram=NGRAM, permutations=16)[0][0] == row).all()


def test_a_text_of_fewer_words_than_an_ngram_has_no_signature() -> None:
    texts = ["", "x", "one two three four", "one two three four five", "\N{GRINNING FACE}" * 10, "x " * 2_500_000]
    smallest, filled = signatures(texts, ngram=NGRAM, permutations=8)
    assert filled.tolist() == [False, False, False, True, False, True]
    assert smallest.shape == (6, 8)


def test_the_numbers_are_those_of_every_machine() -> None:
    smallest, _ = signatures(["the same text on every machine"], ngram=NGRAM, permutations=4)
    assert smallest[0].tolist() == [372766466, 849522892, 2560198564, 2563126006]
    assert band_keys(smallest, bands=2, rows=2)[0].tolist() == [4351797956057667930, 2069986213086309965]
