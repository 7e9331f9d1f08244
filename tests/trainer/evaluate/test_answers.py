"""Ranking with the prompt's cache gives what reading everything anew for each answer gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from m3w.trainer.evaluate.answers import rank_answers, rank_without_cache
from m3w.trainer.evaluate.inputs import Row
from m3w.trainer.evaluate.loaded_model import load_model

ANSWERS = [[[5], [7, 9], [11, 12, 13, 14], [20, 21]], [[6, 8, 10], [30]]]
"""Of two prompts: of different lengths, and not as many of both."""


@pytest.mark.parametrize("family", ["llama", "opt", "gemma3_text"])
def test_scores_equal_those_of_whole_sequences(family: str, tiny: Callable[[str], Path]) -> None:
    """Prompts of different lengths and numbers of pictures; gemma3's sliding window is shorter than the prompts."""
    loaded = load_model(tiny(family), torch.device("cpu"))
    image, drawn = loaded.special.image, torch.Generator().manual_seed(1)
    pictures = [torch.randn(1, 3, 32, 32, generator=drawn) for _ in range(3)]
    rows = [
        Row([image, 40, 41, 42, 43, 44, 45, 46, image, 47, 48], pictures[:2]),
        Row([60, 61, image, 62], pictures[2:]),
    ]
    slow = rank_without_cache(loaded.model, rows, ANSWERS, 0)
    for at_once in (2, 4, 64):
        fast = rank_answers(loaded.model, rows, ANSWERS, 0, at_once=at_once)
        assert [len(scores) for scores in fast] == [4, 2]
        for one, other in zip(fast, slow, strict=True):
            assert one == pytest.approx(other, abs=1e-5)


def test_scores_depend_on_the_picture(tiny: Callable[[str], Path]) -> None:
    loaded = load_model(tiny("llama"), torch.device("cpu"))
    one, other = (
        rank_answers(
            loaded.model, [Row([loaded.special.image, 40], [torch.full((1, 3, 32, 32), value)])], [[[5, 6], [7]]], 0
        )[0]
        for value in (0.5, -0.5)
    )
    assert one != pytest.approx(other, abs=1e-3)


def test_answers_of_one_token_need_no_second_call(tiny: Callable[[str], Path]) -> None:
    loaded = load_model(tiny("llama"), torch.device("cpu"))
    rows = [Row([loaded.special.image, 40], [torch.zeros(1, 3, 32, 32)])]
    assert rank_answers(loaded.model, rows, [[[5], [6]]], 0)[0] == pytest.approx(
        rank_without_cache(loaded.model, rows, [[[5], [6]]], 0)[0], abs=1e-5
    )
