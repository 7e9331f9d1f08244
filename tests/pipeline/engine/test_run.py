"""A run, its ledger and the single step by which an attempt commits, on the local disk and on another file system."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.ledger import FAULTS_IN_LEDGER, FailedPart, Fault, LedgerEntry
from m3w.pipeline.engine.run import RUN_FORMAT, Run
from m3w.recipes.errors import InputError


@pytest.fixture(params=["local", "memory"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    path = f"memory://{uuid.uuid4().hex}/run" if request.param == "memory" else f"{tmp_path}/run"
    return Run.create(path)


def files(run: Run) -> dict[str, bytes]:
    """The contents of all files in the run, by name."""
    root = run.full("").rstrip("/")
    return {name[len(root) :].lstrip("/"): run.fs.cat_file(name) for name in run.fs.find(root)}


def attempt_at(run: Run, text: str = "content", part: str = "part", number: int = 1) -> Attempt:
    attempt = Attempt(run, "stage", part, number)
    with attempt.create(f"out/{part}.txt") as file:
        file.write(text.encode())
        file.rows = 3
    attempt.counters["things"] += 2
    return attempt


# The folder


def test_a_new_run_records_its_format(run: Run) -> None:
    assert json.loads(run.read("run.json")) == {"format": RUN_FORMAT}
    assert Run.create(run.path).path == Run.open(run.path).path == run.path


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds files but no run\.json") as error:
        Run.create(str(tmp_path))
    assert str(tmp_path) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_becomes_a_run(tmp_path: Path) -> None:
    assert Run.create(str(tmp_path)).read("run.json")


def test_a_folder_without_a_run_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        Run.open(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="is not a run"):
        Run.open(str(tmp_path))


@pytest.mark.parametrize("open_run", [Run.open, Run.create])
def test_a_run_of_another_version_is_refused(run: Run, open_run: type[Run]) -> None:
    run.write("run.json", json.dumps({"format": RUN_FORMAT + 1}))
    with pytest.raises(InputError, match=f"format {RUN_FORMAT + 1}") as error:
        open_run(run.path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "null", "\udcff".encode("utf-8", "surrogateescape")])
def test_a_damaged_run_json_is_named(run: Run, content: str | bytes) -> None:
    run.write("run.json", content)
    with pytest.raises(InputError, match=r"run\.json is damaged"):
        Run.open(run.path)


def test_a_file_is_written_in_one_step_and_replaces_an_older_one(run: Run) -> None:
    run.write("deep/er/a.txt", "old")
    run.write("deep/er/a.txt", b"new")
    assert run.read("deep/er/a.txt") == b"new"
    assert set(files(run)) == {"run.json", "deep/er/a.txt"}


def test_removing_a_missing_file_does_nothing(run: Run) -> None:
    run.remove("nothing")
    run.write("folder/a", "x")
    run.remove("folder")
    assert set(files(run)) == {"run.json"}


# Commit


def test_outputs_are_not_seen_before_the_commit(run: Run) -> None:
    attempt = attempt_at(run)
    assert not run.fs.exists(run.full("out/part.txt"))
    assert run.entries("stage") == {}
    attempt.commit("print", ["input"], 1.23456)
    assert run.read("out/part.txt") == b"content"
    assert set(files(run)) == {"run.json", "out/part.txt", "ledger/stage/part.json"}


def test_the_ledger_lists_what_was_committed(run: Run) -> None:
    attempt = attempt_at(run, number=2)
    attempt.faults.append(Fault(path="a.warc", offset=12, reason="truncated_record", url="http://a.example/"))
    attempt.metadata["chunks"] = {"train": [{"rows": 1}]}
    committed = attempt.commit("print", ["input"], 1.23456)
    (entry,) = run.entries("stage").values()
    assert entry == committed
    assert (entry.stage, entry.part, entry.fingerprint, entry.inputs) == ("stage", "part", "print", ["input"])
    (output,) = entry.outputs
    assert (output.path, output.bytes, output.rows) == ("out/part.txt", 7, 3)
    assert output.sha256 == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert (entry.counters, entry.metadata) == ({"things": 2}, {"chunks": {"train": [{"rows": 1}]}})
    assert [(fault.offset, fault.reason) for fault in entry.faults] == [(12, "truncated_record")]
    assert (entry.seconds, entry.attempt) == (1.235, 2)


def test_the_ledger_entry_is_written_after_the_outputs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash at any step of a commit, the part is either committed and complete, or not committed."""
    steps = 0
    original = Run.publish

    def crash(self: Run, temporary: str, name: str) -> None:
        nonlocal steps
        if steps == 0:
            raise KeyboardInterrupt
        steps -= 1
        original(self, temporary, name)

    monkeypatch.setattr(Run, "publish", crash)
    for allowed in range(4):
        attempt = attempt_at(run)
        with attempt.create("out/second.txt") as file:
            file.write(b"2")
        steps = allowed
        try:
            attempt.commit("print", [], 0)
        except KeyboardInterrupt:
            assert run.entries("stage") == {}
            assert allowed < 3
        else:
            assert allowed == 3
            assert set(run.entries("stage")) == {"part"}
            assert (run.read("out/part.txt"), run.read("out/second.txt")) == (b"content", b"2")


def test_a_discarded_attempt_leaves_nothing(run: Run) -> None:
    before = files(run)
    attempt_at(run).discard()
    assert files(run) == before


def test_an_output_whose_writing_failed_is_not_published(run: Run) -> None:
    attempt = Attempt(run, "stage", "part")
    with pytest.raises(ZeroDivisionError), attempt.create("out/part.txt") as file:
        file.write(b"half")
        raise ZeroDivisionError
    attempt.commit("print", [], 0)
    assert set(files(run)) == {"run.json", "ledger/stage/part.json"}


def test_two_attempts_at_one_part_leave_one_output(run: Run) -> None:
    first, second = attempt_at(run), attempt_at(run, number=2)
    first.commit("print", [], 0)
    one = files(run)
    second.commit("print", [], 0)
    two = files(run)
    assert set(two) == {name for name in one if not name.startswith("tmp/")}
    assert one["out/part.txt"] == two["out/part.txt"]
    assert run.entries("stage")["part"].attempt == 2


def test_a_part_may_have_no_output(run: Run) -> None:
    assert Attempt(run, "stage", "part").commit("print", [], 0).outputs == []
    assert set(run.entries("stage")) == {"part"}


def test_the_ledger_names_no_more_faults_than_can_be_read_quickly(run: Run) -> None:
    attempt = attempt_at(run)
    attempt.faults += [Fault(path="a.warc", offset=n, reason="x") for n in range(FAULTS_IN_LEDGER + 5)]
    assert len(attempt.commit("print", [], 0).faults) == FAULTS_IN_LEDGER


# The ledger


def test_a_damaged_ledger_entry_is_ignored_so_that_its_part_runs_again(run: Run) -> None:
    for part in ("good", "cut", "odd", "empty"):
        attempt_at(run, part=part).commit("print", [], 0)
    whole = run.read("ledger/stage/cut.json")
    run.write("ledger/stage/cut.json", whole[: len(whole) // 2])
    run.write("ledger/stage/odd.json", '{"format": "of tomorrow"}')
    run.write("ledger/stage/empty.json", "")
    assert set(run.entries("stage")) == {"good"}


def test_a_stage_that_never_ran_has_no_entries(run: Run) -> None:
    assert run.entries("stage") == {}
    assert run.failures("stage") == {}


def test_lost_and_shortened_outputs_are_missed(run: Run) -> None:
    entries = [attempt_at(run, part=part).commit("print", [], 0) for part in ("whole", "lost", "short")]
    assert run.missing_outputs(entries) == set()
    run.remove("out/lost.txt")
    run.write("out/short.txt", "cont")
    assert run.missing_outputs(entries) == {"lost", "short"}
    run.remove("out")
    assert run.missing_outputs(entries) == {"whole", "lost", "short"}


def test_failed_parts_are_separate_from_committed_ones(run: Run) -> None:
    failed = FailedPart(
        stage="stage", part="bad", inputs=["x"], attempts=3, error="OSError: gone", traceback="Traceback ..."
    )
    run.set_aside(failed)
    attempt_at(run, part="good").commit("print", [], 0)
    assert run.failures("stage") == {"bad": failed}
    assert set(run.entries("stage")) == {"good"}


def test_an_entry_comes_back_from_its_json(run: Run) -> None:
    entry = attempt_at(run).commit("print", ["a", "b"], 0.5)
    assert LedgerEntry.model_validate_json(entry.model_dump_json()) == entry


def test_a_store_that_fails_is_not_taken_for_an_empty_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem's own `exists` and `isdir` return False on any error; rows would be lost silently."""
    run.write("duplicates/copies/p.parquet", b"rows")

    def fails(*args: object, **options: object) -> None:
        raise PermissionError("denied")

    monkeypatch.setattr(run.fs, "info", fails)
    monkeypatch.setattr(run.fs, "ls", fails)
    for look in (run.exists, run.names, run.entries):
        with pytest.raises(PermissionError, match="denied"):
            look("duplicates/copies")
