"""VQA accuracy by the official rule, exact match, ranked metrics: on cases made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from m3w.trainer.evaluate.metrics.answers import agreement, exact_match, normalise, vqa_accuracy
from m3w.trainer.evaluate.metrics.ranked import average_precision, mean_weighted_average_precision, ndcg, roc_auc


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The two dogs.", "2 dogs"),
        ("None of them", "0 of them"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("1,000", "1000"),
        ("blue-green", "blue green"),
        ("blue - green", "blue  green".replace("  ", " ")),
        ("3.5", "3.5"),
        ("U.S.", "us"),
        ("An apple, a pear", "apple pear"),
        ("im", "im"),  # the published table has "Im", which no lower-cased word is
    ],
)
def test_answers_are_normalised_as_the_official_evaluation_does(answer: str, plain: str) -> None:
    assert normalise(answer) == plain


def test_vqa_accuracy_leaves_each_human_out_once() -> None:
    assert vqa_accuracy("red", ["red"] * 3 + ["blue"] * 7) == pytest.approx((3 * 2 / 3 + 7 * 1) / 10)
    assert vqa_accuracy("red", ["red"] * 4 + ["blue"] * 6) == pytest.approx(1.0)
    assert vqa_accuracy("red", ["red"] + ["blue"] * 9) == pytest.approx(9 * (1 / 3) / 10)
    assert vqa_accuracy("green", ["red"] + ["blue"] * 9) == 0.0


def test_nothing_is_normalised_where_all_humans_agree() -> None:
    """A quirk of the published code; the same answer counts where one human differs."""
    assert vqa_accuracy("Yes", ["yes"] * 10) == 0.0
    assert vqa_accuracy("Yes.", ["yes"] * 9 + ["no"]) == pytest.approx(1.0)


def test_exact_match_looks_past_case_articles_and_marks() -> None:
    assert exact_match(" A Man. ", ["man"]) == 1.0
    assert exact_match("men", ["man"]) == 0.0


def test_two_of_five_annotators_make_a_right_answer_of_ivqa() -> None:
    given = ["hat", "a hat", "cap", "helmet", "wig"]
    assert agreement("hat", given) == 1.0
    assert agreement("wig", given) == 0.5
    assert agreement("shoe", given) == 0.0


def test_roc_auc_counts_ordered_pairs_and_half_of_ties() -> None:
    assert roc_auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == pytest.approx(0.75)
    assert roc_auc([1.0, 1.0, 1.0], [True, False, True]) == pytest.approx(0.5)
    assert math.isnan(roc_auc([1.0], [True]))


def test_average_precision_takes_equal_scores_as_one_step() -> None:
    ones = np.ones(4)
    labels = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), labels, ones) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4), labels, ones) == pytest.approx(0.5)


def test_mwap_weighs_videos_and_takes_other_positives_as_negatives() -> None:
    """Two classes. `cut laptop` has one positive and one hard negative of its own, and the other's positive."""
    actions = [("cut", "laptop"), ("cut", "laptop"), ("wash", "phone"), ("wash", "phone")]
    annotations, videos = [1, 4, 1, 0], ["a", "b", "c", "d"]
    perfect = np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
    assert mean_weighted_average_precision(perfect, videos, actions, annotations) == pytest.approx(1.0)
    hard_first = perfect.copy()
    hard_first[1, 0] = 9.0
    assert mean_weighted_average_precision(hard_first, videos, actions, annotations) == pytest.approx((0.5 + 1) / 2)
    # Three hard negatives of one video weigh as one.
    many = np.array([[3.0], [9.0], [9.0], [9.0]])
    crowded = mean_weighted_average_precision(many, ["a", "b", "b", "b"], actions[:2] + actions[:2], [1, 4, 4, 4])
    assert crowded == pytest.approx(0.5)


def test_ndcg_looks_at_as_many_options_as_are_relevant() -> None:
    relevance = [0.0, 1.0, 0.5, 0.0]
    assert ndcg([0.0, 3.0, 2.0, 1.0], relevance) == pytest.approx(1.0)
    ideal = 1.0 + 0.5 / math.log2(3)
    assert ndcg([9.0, 3.0, 2.0, 1.0], relevance) == pytest.approx((1.0 / math.log2(3)) / ideal)
    assert ndcg([1.0, 2.0], [0.0, 0.0]) == 0.0
