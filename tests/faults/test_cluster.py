"""Workers, machines and drivers die during a run; the dataset must equal that of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from m3w.pipeline.build import build
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.run_lock import HOLDING, RunInUse, lock_entries
from m3w.pipeline.recipe import load_recipe
from tests.faults.cluster import ThreeNodes, three_nodes
from tests.faults.runs import Driver, attempts, committed, crawl, dataset_hashes, document_ids, until, write_recipe
from tests.faults.table import record_row

pytestmark = [pytest.mark.ray]
TIMEOUT_S = 15.0
"""After which a silent driver is taken for dead."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[ThreeNodes]:
    with three_nodes() as nodes:
        yield nodes


class Battered:
    """A recipe with an undisturbed run, and another run with failures."""

    def __init__(self, folder: Path, nodes: ThreeNodes, *, seeds: int, pages: int):
        self.nodes, self.run, self._unbroken = nodes, folder / "run", folder / "unbroken"
        execution = {"memory_mib_per_part": 256, "driver_timeout_s": TIMEOUT_S, "deaths": 100}
        self.recipe = write_recipe(
            folder / "recipe.yaml", crawl(folder / "crawl", seeds=seeds, pages=pages), execution=execution
        )
        with Driver(self.recipe, self._unbroken, nodes.address) as driver:
            status, output = driver.wait()
        assert status == 0, output

    def driver(self) -> Driver:
        return Driver(self.recipe, self.run, self.nodes.address)

    def began(self, driver: Driver) -> None:
        """Wait until the driver holds the run and runs parts."""
        until(lambda: (self._holds(driver) and bool(self.nodes.at_work())) or not driver.running)

    def went_on(self, driver: Driver, before: dict[str, int]) -> None:
        """Wait until the driver has committed a part that is not in `before`, or has ended."""
        until(lambda: len(committed(self.run)) > len(before) or not driver.running)

    def _holds(self, driver: Driver) -> bool:
        holding = (claim for claim in lock_entries(Run(str(self.run))).values() if claim.state == HOLDING)
        return any(claim.pid == driver.process.pid for claim in holding)

    @property
    def hashes_equal(self) -> bool:
        return dataset_hashes(self.run) == dataset_hashes(self._unbroken)

    def is_unbroken(self, kind: str, faults: int, redone: int) -> None:
        equal = self.hashes_equal
        record_row(kind, faults, redone, equal)
        assert equal
        ids = document_ids(self.run)
        assert ids == document_ids(self._unbroken), "documents are lost or doubled"
        assert max(ids.values()) == 1


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, nodes: ThreeNodes) -> Battered:
    return Battered(tmp_path_factory.mktemp("large"), nodes, seeds=1, pages=200)


@pytest.fixture
def battered(large: Battered, tmp_path: Path) -> Battered:
    large.run = tmp_path / "run"
    return large


def test_a_driver_a_worker_and_a_machine_are_killed(tmp_path: Path, nodes: ThreeNodes) -> None:
    """The small form: a driver, a worker and a machine are killed, and a second driver starts in between."""
    small = Battered(tmp_path, nodes, seeds=1, pages=72)
    with small.driver() as driver:
        until(lambda: (small.run / "ledger/extract").exists())
        driver.kill()
    before = committed(small.run)
    with small.driver() as driver:
        small.began(driver)
        with pytest.raises(RunInUse, match=f"process {driver.process.pid} .* has been running on it since"):
            build(load_recipe(str(small.recipe)), str(small.run))
        killed = nodes.kill_a_worker(random.Random(0))
        nodes.lose_a_node()
        nodes.add_a_node()
        status, output = driver.wait()
    assert status == 0, output
    after = committed(small.run)
    assert {name: after[name] for name in before} == before, "what was committed is not done again"
    small.is_unbroken("a driver, a worker and a machine killed, a second driver", 4, attempts(small.run))
    assert attempts(small.run) <= killed + 2


@pytest.mark.slow
def test_workers_killed_at_random(battered: Battered) -> None:
    chance, kills, redone, folder = random.Random(1), 0, 0, battered.run
    while (
        kills < 20
    ):  # the last part that is left takes them all: more than are allowed to a part that kills its worker
        battered.run, before = folder / str(kills), kills
        with battered.driver() as driver:
            while driver.running and kills < 20:
                time.sleep(chance.uniform(0.2, 1.5))
                kills += battered.nodes.kill_a_worker(chance)
            status, output = driver.wait()
        assert status == 0, output
        assert attempts(battered.run) <= kills - before
        redone += attempts(battered.run)
        assert battered.hashes_equal, f"after {kills - before} kills"
    battered.is_unbroken("worker processes killed at random", kills, redone)


@pytest.mark.slow
def test_machines_lost_and_added(battered: Battered) -> None:
    with battered.driver() as driver:
        for _ in range(3):
            battered.began(driver)
            time.sleep(2)
            battered.nodes.lose_a_node()
            time.sleep(2)
            battered.nodes.add_a_node()
        status, output = driver.wait()
    assert status == 0, output
    redone = attempts(battered.run)
    assert redone <= 3 * 2, "of each machine at most what it was at, and what was on its way there"
    battered.is_unbroken("machines switched off, another added each time", 3, redone)


@pytest.mark.slow
def test_drivers_killed(battered: Battered) -> None:
    """Each driver is killed after it has committed a part, so that there is something to lose."""
    chance, kills, redone, folder = random.Random(2), 0, 0, battered.run
    while kills < 10:
        before = committed(battered.run)
        with battered.driver() as driver:
            battered.went_on(driver, before)
            time.sleep(chance.uniform(0, 2))
            after = committed(battered.run)
            redone += sum(after.get(name) != written for name, written in before.items())
            ended = not driver.running
            kills += not ended
            driver.kill()
        if ended:
            assert battered.hashes_equal, f"after {kills} kills"
            battered.run = folder / str(kills)
    with battered.driver() as driver:
        status, output = driver.wait()
    assert status == 0, output
    assert redone == 0, "what was committed is not done again"
    battered.is_unbroken("drivers killed, started again", kills, redone)


@pytest.mark.slow
def test_a_driver_that_slept_finds_its_run_taken_over(battered: Battered) -> None:
    """Its process stands still for longer than the timeout, another takes the run over; awake again, it stops.

    The other has a Ray of its own: Ray leaves a process that stands still the CPUs that it has, until it ends.
    """
    with battered.driver() as first:
        battered.began(first)
        first.process.send_signal(signal.SIGSTOP)
        with Driver(battered.recipe, battered.run) as second:
            status, output = second.wait()
        assert status == 0 and "taking over" in output
        battered.is_unbroken("a driver that slept while another took over", 1, attempts(battered.run))
        os.kill(first.process.pid, signal.SIGCONT)
        status, output = first.wait()
    assert status == 1 and "another build has taken over" in output
    battered.is_unbroken("the driver that slept, awake again", 1, attempts(battered.run))
