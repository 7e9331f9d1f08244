"""A failed start of Ray is retried after its processes are killed; in the end it is a one-line error."""

from __future__ import annotations

import subprocess

import pytest

from m3w.pipeline.engine.ray_start import STARTS, RayFailed, patiently


class Slow:
    """A start that leaves a process behind and fails, this many times."""

    def __init__(self, failures: int):
        self.left = failures
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self) -> None:
        self.started.append(subprocess.Popen(["sleep", "60"]))
        if self.left:
            self.left -= 1
            raise Exception("The current node timed out\nduring startup.")


def test_a_slow_start_is_tried_again_and_its_processes_are_ended() -> None:
    start = Slow(STARTS - 1)
    patiently(start, "Ray")
    *failed, last = start.started
    assert len(failed) == STARTS - 1 and all(process.wait(5) for process in failed)
    assert last.poll() is None
    last.kill()
    last.wait()


def test_a_start_that_always_fails_is_an_error_with_a_remedy() -> None:
    start = Slow(STARTS)
    with pytest.raises(
        RayFailed, match=r"(?s)Ray at 10\.0\.0\.1:6379 did not start in 3 attempts .*run the same command again"
    ):
        patiently(start, "Ray at 10.0.0.1:6379")
    assert len(start.started) == STARTS and all(process.wait(5) for process in start.started)
