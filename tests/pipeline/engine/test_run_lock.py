"""One driver at a time on a run: a second one gives up, a dead one is taken over, one that was taken over stops."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.run import LockLost, Run
from m3w.pipeline.engine.run_lock import RunInUse, RunLock, is_dead, lock_entries, own_process

FAST_S = 0.6


@pytest.fixture(params=["local", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/run" if request.param == "local" else f"memory://{tmp_path.name}{time.monotonic_ns()}/run"


def lock(path: str, timeout_s: float = FAST_S) -> RunLock:
    return RunLock(Run.create(path), timeout_s, lambda: {"stages": []})


def of_elsewhere(path: str, *, beat: int = 1, state: str = "holding", driver: str = "20200101T000000-old") -> None:
    """Write the entry of a driver on another machine, which sends no heartbeat."""
    values = {
        "driver": driver,
        "state": state,
        "host": "elsewhere",
        "pid": 1,
        "process": "boot namespace 1 0",
        "began_at": "2020-01-01T00:00:00Z",
        "beat": beat,
        "beat_at": "2020-01-01T00:00:00Z",
        "every_s": 0.05,
    }
    Run.create(path).write(f"drivers/{driver}.json", json.dumps(values))


def test_the_holder_has_an_entry_until_it_releases_the_run(path: str) -> None:
    held = lock(path).take(print)
    (stands,) = lock_entries(Run(path)).values()
    assert (stands.driver, stands.state) == (held.driver, "holding")
    held.release()
    assert lock_entries(Run(path)) == {}


def test_the_heartbeat_continues_and_has_the_progress(path: str) -> None:
    held = RunLock(Run.create(path), FAST_S, lambda: {"stages": ["here"]}).take(print)
    first = lock_entries(Run(path))[held.driver]
    time.sleep(FAST_S / 2)
    second = lock_entries(Run(path))[held.driver]
    held.release()
    assert second.beat > first.beat and second.progress == {"stages": ["here"]}


def test_a_second_driver_names_the_first_and_leaves_no_entry(path: str) -> None:
    held = lock(path).take(print)
    with pytest.raises(RunInUse, match="is in use: a build by process"):
        lock(path).take(print)
    assert set(lock_entries(Run(path))) == {held.driver}
    held.release()


def test_of_many_drivers_at_most_one_holds_the_run(path: str) -> None:
    Run.create(path)
    together, holding, most, counting = threading.Barrier(6), 0, 0, threading.Lock()

    def one(_: int) -> bool:
        nonlocal holding, most
        own = lock(path, timeout_s=5.0)
        together.wait()
        try:
            own.take(lambda text: None)
        except RunInUse:
            return False
        with counting:
            holding += 1
            most = max(most, holding)
        time.sleep(0.5)
        with counting:
            holding -= 1
        own.release()
        return True

    with ThreadPoolExecutor(6) as threads:
        took = list(threads.map(one, range(6)))
    assert most == 1 and any(took)


def test_a_driver_without_heartbeat_is_taken_over_after_the_timeout(path: str) -> None:
    of_elsewhere(path)
    said: list[str] = []
    started = time.monotonic()
    held = lock(path).take(said.append)
    assert time.monotonic() - started > FAST_S
    assert "waiting up to 0.6 s" in said[0] and "elsewhere, which sent no heartbeat" in said[1]
    assert set(lock_entries(Run(path))) == {held.driver}
    held.release()


def test_a_dead_process_of_this_machine_is_taken_over_at_once(path: str) -> None:
    host, pid, name = own_process()
    assert name is not None and not is_dead(host, pid, name)
    dead = name.rsplit(" ", 1)[0] + " 1"  # of the same number, and long ago
    assert is_dead(host, pid, dead)
    of_elsewhere(path)
    standing = json.loads(Run(path).read("drivers/20200101T000000-old.json"))
    Run(path).write(
        "drivers/20200101T000000-old.json", json.dumps({**standing, "host": host, "pid": pid, "process": dead})
    )
    started = time.monotonic()
    lock(path, timeout_s=60.0).take(print).release()
    assert time.monotonic() - started < 30


def test_a_driver_that_was_taken_over_commits_nothing_more(path: str) -> None:
    held = lock(path, timeout_s=60.0).take(print)
    attempt = Attempt(Run(*held.run.reference), "stage", "part")
    with attempt.create("out/part.txt") as file:
        file.write(b"late")
    held.run.write(f"drivers/{held.driver}.taken", "{}")
    with pytest.raises(LockLost, match="another build has taken over"):
        attempt.commit("print", [], 0.0)
    assert Run(path).entries("stage") == {} and not Run(path).exists("out/part.txt")
    held.release()


def test_the_heartbeat_finds_that_the_run_was_taken_over(path: str) -> None:
    held = lock(path).take(print)
    held.check()
    held.run.write(f"drivers/{held.driver}.taken", "{}")
    deadline = time.monotonic() + 20
    while not held.lost and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(LockLost):
        held.check()
    held.release()


def test_a_claim_that_cannot_be_read_is_passed_over(path: str) -> None:
    Run.create(path).write("drivers/broken.json", '{"driver": ')
    lock(path).take(print).release()
