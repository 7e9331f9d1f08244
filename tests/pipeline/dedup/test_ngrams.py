"""Words and the hashes of their n-grams."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from m3w.pipeline.dedup import minhash
from m3w.pipeline.dedup.minhash import ngram_hashes, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("One", "one"),
        ("Don't  stop,\nnow!", "don t stop now"),
        ("snake_case 3.14", "snake case 3 14"),
        ("ＦＵＬＬ ﬁne STRASSE straße", "full fine strasse strasse"),
        ("漢字かな", "漢 字 か な"),
        ("안녕 세계", "안녕 세계"),
        ("😀🎉", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text).decode() == expected


def test_a_lone_surrogate_does_no_harm() -> None:
    assert words("a \ud800 b") == b"a b"


def by_loop(text: str, n: int) -> list[tuple[str, ...]]:
    found = words(text).decode().split()
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


def test_equal_ngrams_and_only_they_have_equal_hashes() -> None:
    rng = random.Random(0)
    texts = [" ".join(rng.choices(["a", "b", "ab", "ba", "abc", "c"], k=rng.randint(0, 40))) for _ in range(200)]
    for n in (1, 2, 5):
        hashes, counts = ngram_hashes([words(text) for text in texts], n)
        expected = [by_loop(text, n) for text in texts]
        assert counts.tolist() == [len(grams) for grams in expected]
        pairs = set(zip(itertools.chain.from_iterable(expected), hashes.tolist(), strict=True))
        assert len(pairs) == len({gram for gram, _ in pairs}) == len({value for _, value in pairs})


def test_an_ngram_has_the_same_hash_at_every_position(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        words(text) for text in ("one two three", "x " * 300 + "one two three", "", "one two", "é one two three é")
    ]
    whole, counts = ngram_hashes(texts, 3)
    ends = np.cumsum(counts)
    assert counts.tolist() == [1, 301, 0, 0, 3]
    assert whole[0] == whole[ends[1] - 1] == whole[ends[3] + 1]
    monkeypatch.setattr(minhash, "_TEXT_BLOCK_BYTES", 8)
    assert (ngram_hashes(texts, 3)[0] == whole).all(), "blocks are no part of the result"


def test_the_numbers_are_those_of_every_machine() -> None:
    assert ngram_hashes([b"the same everywhere"], 2)[0].tolist() == [7724370703075169881, 1830144125646104723]


def test_nothing_at_all() -> None:
    hashes, counts = ngram_hashes([], 5)
    assert len(hashes) == len(counts) == 0


def test_a_text_of_5_mb_in_one_word_and_in_many() -> None:
    hashes, counts = ngram_hashes([words("x" * 5_000_000), words("xy " * 1_700_000)], 2)
    assert counts.tolist() == [0, 1_699_999]
    assert len(np.unique(hashes)) == 1
