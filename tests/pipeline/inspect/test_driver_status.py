"""`m3w status` while a build runs, and after it died, from its entry in the lock alone."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from m3w.pipeline.engine.build_progress import BuildProgress, StageProgress, duration
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.run_lock import LockEntry
from m3w.pipeline.inspect import print_status, run_status, watch
from m3w.pipeline.inspect.driver import driver_status

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
EXTRACT = StageProgress(
    stage="extract",
    units=["pages", "documents"],
    total=900,
    done_before=100,
    done=300,
    failed=2,
    tried_again=5,
    seconds=600,
    counters={"pages": 720_000, "documents": 66, "records": 5},
    bytes_written=3_000_000_000,
    at_work=24,
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(str(tmp_path / "run"))


def write_lock_entry(
    run: Run, progress: BuildProgress, silent_s: float = 2.0, state: str = "holding", now: datetime = NOW
) -> None:
    entry = LockEntry(
        driver="d",
        state=state,
        host="elsewhere",
        pid=77,
        process=None,
        began_at=now - timedelta(hours=1),
        beat=5,
        beat_at=now - timedelta(seconds=silent_s),
        every_s=5.0,
        progress=progress.model_dump(),
    )
    run.write("drivers/d.json", entry.model_dump_json())


def printed(run: Run) -> str:
    file = io.StringIO()
    print_status(run_status(run), Console(file=file, width=100))
    return file.getvalue()


def test_rates_and_time_left_are_those_of_this_build() -> None:
    assert EXTRACT.rates == ["1,200 pages/s", "0.1 documents/s", "5.0 MB/s written"]
    assert EXTRACT.left == 498 and EXTRACT.seconds_left == pytest.approx(600 * 498 / 302)
    assert EXTRACT.counts == ["400 of 900 parts", "2 failed", "5 tried again", "about 16 min left"]
    begun = StageProgress(stage="join", total=3, done_before=0)
    assert begun.rates == [] and begun.counts == ["0 of 3 parts"]


@pytest.mark.parametrize(("seconds", "text"), [(7, "7 s"), (840, "14 min"), (7500, "2 h 05 min"), (200_000, "2 d 7 h")])
def test_a_duration_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_build_at_work_is_shown_with_its_rates_and_its_last_heartbeat(run: Run) -> None:
    write_lock_entry(run, BuildProgress(stages=[EXTRACT]), now=datetime.now(UTC))
    text = printed(run)
    assert "at work for 60 min: process 77 on elsewhere, last heartbeat 2 s ago" in text
    assert "400 of 900 parts" in text and "1,200 pages/s" in text and "24 parts running" in text


def test_a_driver_without_heartbeat_is_shown_as_gone(run: Run) -> None:
    write_lock_entry(run, BuildProgress(stages=[EXTRACT]), silent_s=14)
    status = driver_status(run, NOW)
    assert status is not None and not status.gone, "two heartbeats may be late"
    write_lock_entry(run, BuildProgress(stages=[EXTRACT]), silent_s=180, now=datetime.now(UTC))
    assert "is gone (last heartbeat 3 min ago)" in printed(run).replace("\n", " ")


def test_who_only_asks_for_the_run_is_not_at_work_on_it(run: Run) -> None:
    write_lock_entry(run, BuildProgress(), state="asking")
    assert driver_status(run, NOW) is None


def test_without_a_driver_the_status_is_the_ledgers(run: Run) -> None:
    assert "not finished; run m3w build again to resume" in printed(run)


def test_a_watch_off_a_terminal_is_a_line_each_time_until_the_build_ends(run: Run) -> None:
    write_lock_entry(run, BuildProgress(stages=[EXTRACT]), now=datetime.now(UTC))
    file, naps = io.StringIO(), 0

    def nap(seconds: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 2:
            run.remove("drivers/d.json")

    watch(run, Console(file=file, width=100), sleep=nap)
    lines = file.getvalue().splitlines()
    assert len(lines) == 2 and lines[0].startswith("extract: 400 of 900 parts, 2 failed")
