"""Parts wait in order, and no two of one owner are at work at the same time."""

from __future__ import annotations

from dataclasses import dataclass

from m3w.pipeline.engine.part_queue import Waiting


@dataclass(frozen=True)
class Named:
    name: str
    owner: str | None = None


def names(waiting: Waiting[Named]) -> list[str]:
    """All that can be taken now."""
    taken = []
    while (part := waiting.take()) is not None:
        taken.append(part[0].name)
    return taken


def test_parts_without_an_owner_come_in_order_all_at_once() -> None:
    assert names(Waiting([Named("a"), Named("b"), Named("c")])) == ["a", "b", "c"]


def test_parts_of_one_owner_come_one_after_the_other_and_before_what_is_behind_them() -> None:
    first, second, third = Named("1", "host"), Named("2", "host"), Named("3", "host")
    waiting = Waiting([first, second, Named("other", "x"), third])
    assert names(waiting) == ["1", "other"]
    waiting.done(first)
    assert names(waiting) == ["2"]
    waiting.done(second)
    assert names(waiting) == ["3"]
    waiting.done(third)
    assert names(waiting) == []


def test_a_part_that_failed_waits_again_and_lets_its_owners_others_go_first() -> None:
    first, second = Named("1", "host"), Named("2", "host")
    waiting = Waiting([first, second])
    assert waiting.take() == (first, 1)
    waiting.again(first, 2)
    assert waiting.take() == (second, 1)
    assert waiting.take() is None
    waiting.done(second)
    assert waiting.take() == (first, 2)


def test_a_part_that_pauses_is_passed_over_until_its_time_has_come() -> None:
    now = 100.0
    first, second = Named("1"), Named("2")
    waiting = Waiting([first, second], clock=lambda: now)
    assert waiting.take() == (first, 1)
    waiting.again(first, 2, pause_s=5)
    assert waiting.take() == (second, 1)
    assert waiting.take() is None and waiting.seconds_to_next == 5
    now = 104.0
    assert waiting.take() is None and waiting.seconds_to_next == 1
    now = 105.0
    assert waiting.take() == (first, 2)
    assert waiting.take() is None and waiting.seconds_to_next is None


def test_an_owners_others_go_on_while_one_of_its_parts_pauses() -> None:
    first, second = Named("1", "host"), Named("2", "host")
    waiting = Waiting([first, second], clock=lambda: 0.0)
    waiting.take()
    waiting.again(first, 2, pause_s=5)
    assert waiting.take() == (second, 1)
