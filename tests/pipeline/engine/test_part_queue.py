"""Parts are taken in order, and no two with the same exclusive key run at the same time."""

from __future__ import annotations

from dataclasses import dataclass

from m3w.pipeline.engine.part_queue import PartQueue


@dataclass(frozen=True)
class Named:
    name: str
    exclusive_key: str | None = None


def names(queue: PartQueue[Named]) -> list[str]:
    """All parts that can be taken now."""
    taken = []
    while (part := queue.take()) is not None:
        taken.append(part[0].name)
    return taken


def test_parts_without_a_key_come_in_order_all_at_once() -> None:
    assert names(PartQueue([Named("a"), Named("b"), Named("c")])) == ["a", "b", "c"]


def test_parts_of_one_key_come_one_after_the_other_and_before_what_is_behind_them() -> None:
    first, second, third = Named("1", "host"), Named("2", "host"), Named("3", "host")
    queue = PartQueue([first, second, Named("other", "x"), third])
    assert names(queue) == ["1", "other"]
    queue.done(first)
    assert names(queue) == ["2"]
    queue.done(second)
    assert names(queue) == ["3"]
    queue.done(third)
    assert names(queue) == []


def test_a_failed_part_is_queued_behind_others_with_its_key() -> None:
    first, second = Named("1", "host"), Named("2", "host")
    queue = PartQueue([first, second])
    assert queue.take() == (first, 1)
    queue.again(first, 2)
    assert queue.take() == (second, 1)
    assert queue.take() is None
    queue.done(second)
    assert queue.take() == (first, 2)


def test_a_part_that_pauses_is_passed_over_until_its_time_has_come() -> None:
    now = 100.0
    first, second = Named("1"), Named("2")
    queue = PartQueue([first, second], clock=lambda: now)
    assert queue.take() == (first, 1)
    queue.again(first, 2, pause_s=5)
    assert queue.take() == (second, 1)
    assert queue.take() is None and queue.seconds_to_next == 5
    now = 104.0
    assert queue.take() is None and queue.seconds_to_next == 1
    now = 105.0
    assert queue.take() == (first, 2)
    assert queue.take() is None and queue.seconds_to_next is None


def test_other_parts_of_a_key_run_while_one_pauses() -> None:
    first, second = Named("1", "host"), Named("2", "host")
    queue = PartQueue([first, second], clock=lambda: 0.0)
    queue.take()
    queue.again(first, 2, pause_s=5)
    assert queue.take() == (second, 1)
