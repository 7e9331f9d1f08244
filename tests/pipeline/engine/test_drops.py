"""Examples of drops: independent of the order of arrival, bounded in number, with the threshold of the rule."""

from __future__ import annotations

from random import Random

from m3w.pipeline.engine.drops import MOST_CHARACTERS, Drop, DropExamples


def drops(count: int) -> list[Drop]:
    return [
        Drop(kind="document", reason="words" if n % 2 else "language", document_id=f"{n:032x}", url="u")
        for n in range(count)
    ]


def sample(found: list[Drop], keep: int) -> DropExamples:
    chosen = DropExamples(keep)
    for drop in found:
        chosen.add(drop)
    return chosen


def test_the_sample_does_not_depend_on_the_order_of_arrival() -> None:
    found = drops(100)
    rows = sample(found, 5).rows()
    assert [row["reason"] for row in rows] == ["language"] * 5 + ["words"] * 5
    for seed in range(3):
        turned = found[:]
        Random(seed).shuffle(turned)
        assert sample(turned, 5).rows() == rows
    assert [row["document_id"] for row in rows[:5]] != [f"{n:032x}" for n in range(0, 10, 2)], "not simply the first"


def test_little_is_kept_whole_and_none_if_none_is_wanted() -> None:
    assert len(sample(drops(3), 5).rows()) == 3
    assert sample(drops(3), 0).rows() == []


def test_equal_drops_are_no_error_and_long_texts_are_cut() -> None:
    drop = Drop(kind="text", reason="words", document_id="0", url="u", text="x" * (MOST_CHARACTERS + 1))
    rows = sample([drop] * 4, 2).rows()
    assert [len(row["text"]) for row in rows] == [MOST_CHARACTERS] * 2
