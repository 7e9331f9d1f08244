"""`run_status`, from the ledger at any moment of a run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from m3w.pipeline.build import dataset_digest
from m3w.pipeline.engine.ledger import FailedPart, Fault, LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect import RunStatus, print_status, run_status
from m3w.pipeline.inspect.status import StageStatus
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.schemas.manifest import Manifest


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Of a crawl of three files."""
    (tmp_path / "crawl").mkdir()
    for name in "abc":
        (tmp_path / "crawl" / f"{name}.warc.gz").write_bytes(b"x")
    return parse_recipe({"crawl": {"paths": [str(tmp_path / "crawl")]}}, "-")


@pytest.fixture
def run(tmp_path: Path, recipe: Recipe) -> Run:
    run = Run.create(str(tmp_path / "run"))
    run.write("recipe.yaml", recipe.to_yaml())
    return run


def commit(run: Run, stage: str, part: str, **values: Any) -> None:
    defaults: dict[str, Any] = {"outputs": [], "counters": {}, "seconds": 1.5, "attempt": 1}
    entry = LedgerEntry(stage=stage, part=part, fingerprint="f", inputs=[], **{**defaults, **values})
    run.write(f"ledger/{stage}/{part}.json", entry.model_dump_json())


def fail(run: Run, stage: str, part: str) -> None:
    run.set_aside(
        FailedPart(stage=stage, part=part, inputs=[], attempts=3, error="ValueError: bad\nline", traceback="Traceback")
    )


def fault(offset: int, reason: str = "truncated_record") -> Fault:
    return Fault(path="crawl/a.warc.gz", offset=offset, reason=reason, detail="at its end")


def output(path: str) -> Output:
    return Output(path=path, sha256="0", bytes=1, rows=1)


def stage(status: RunStatus, name: str) -> StageStatus:
    return next(each for each in status.stages if each.stage == name)


def left(status: RunStatus) -> dict[str, int | None]:
    return {each.stage: each.left for each in status.stages}


def printed(status: RunStatus) -> str:
    file = io.StringIO()
    print_status(status, Console(file=file, width=80))
    return file.getvalue()


def test_a_run_that_has_not_begun_knows_the_files_of_its_recipe(run: Run) -> None:
    status = run_status(run)
    assert not status.finished
    assert (left(status)["extract"], left(status)["filter"], left(status)["fetch"]) == (3, 3, None)
    assert "not finished" in printed(status)


def test_a_run_without_a_recipe_has_a_status(tmp_path: Path) -> None:
    status = run_status(Run.create(str(tmp_path / "new")))
    assert status.stages == [] and not status.finished
    assert "not finished" in printed(status)


def test_stages_that_the_recipe_passes_over_are_not_listed(run: Run, recipe: Recipe) -> None:
    assert not {"evaluation", "repeated", "frequent_images"} & set(left(run_status(run)))
    switches = recipe.duplicates.model_copy(update={"paragraph_documents": 2})
    run.write("recipe.yaml", recipe.model_copy(update={"duplicates": switches}).to_yaml())
    assert left(run_status(run))["repeated"] == 1


def test_an_unfinished_run_shows_done_failed_and_remaining_parts(run: Run) -> None:
    commit(run, "extract", "a", counters={"pages": 2, "documents": 1}, seconds=2)
    commit(run, "extract", "b", counters={"pages": 3}, seconds=0.5)
    fail(run, "extract", "c")
    commit(run, "filter", "a")
    extract = stage(run_status(run), "extract")
    assert (extract.done, len(extract.failed), extract.left) == (2, 1, 0)
    assert (extract.counters, extract.seconds) == ({"documents": 1, "pages": 5}, 2.5)
    assert stage(run_status(run), "filter").left == 1


def test_fetch_knows_its_parts_once_the_requests_are_grouped(run: Run) -> None:
    commit(
        run,
        "requests",
        "all",
        outputs=[output("images/requests/00000.parquet"), output("images/requests/00001.parquet")],
    )
    commit(run, "fetch", "00000")
    assert left(run_status(run))["fetch"] == 1


def test_assemble_knows_its_shards_once_all_before_it_is_done(run: Run) -> None:
    chunk = {"first": 0, "rows": 1, "bytes": 300 * 2**20}
    commit(run, "join", "a", metadata={"chunks": {"train": [chunk], "validation": [chunk]}})
    commit(run, "assemble", "train-00000-of-00003")
    assert left(run_status(run))["assemble"] is None
    run.remove("ledger/assemble")
    for name in ("deduplicate", "requests", "image_results"):
        commit(run, name, "all")
    for part in "abc":
        for name in ("extract", "filter", "document_hashes", "unique"):
            commit(run, name, part)
        joined = [output(f"documents/joined/{part}.{split}.parquet") for split in ("train", "validation")]
        commit(run, "join", part, outputs=joined, metadata={"chunks": {"train": [chunk] * 2, "validation": []}})
    assert left(run_status(run)) == {**dict.fromkeys(left(run_status(run)), 0), "assemble": 6}
    commit(run, "assemble", "train-00000-of-00006")
    assert left(run_status(run))["assemble"] == 5


def test_a_failed_part_is_shown_with_its_error_and_the_path_of_its_traceback(run: Run) -> None:
    fail(run, "fetch", "00007")
    failed = stage(run_status(run), "fetch").failed[0]
    assert (failed.error, failed.traceback_at) == ("ValueError: bad line", "ledger/fetch/failed/00007.json")
    assert (Path(run.path) / failed.traceback_at).is_file()
    text = printed(run_status(run))
    assert "ValueError: bad line" in text and f"{run.path}/ledger/fetch/failed/00007.json" in text


def test_a_part_that_failed_before_and_is_done_now_has_not_failed(run: Run) -> None:
    fail(run, "extract", "a")
    commit(run, "extract", "a")
    assert stage(run_status(run), "extract").failed == []


def test_faults_are_counted_in_full_and_named_by_example(run: Run) -> None:
    commit(run, "extract", "a", counters={"faults.truncated_record": 5000}, faults=[fault(n) for n in range(10)])
    commit(run, "extract", "b", counters={"faults.not_a_record": 1}, faults=[fault(7, "not_a_record")])
    faults = stage(run_status(run), "extract").faults
    assert [(each.reason, each.count, len(each.examples)) for each in faults] == [
        ("truncated_record", 5000, 3),
        ("not_a_record", 1, 1),
    ]
    assert "crawl/a.warc.gz at byte 7" in printed(run_status(run))


def test_finished_is_the_dataset_of_this_recipe_alone(run: Run, recipe: Recipe) -> None:
    manifest = Manifest(m3w_version="0", recipe_sha256=dataset_digest(recipe), splits={}, counts={})
    run.write("dataset/dataset.json", manifest.to_json())
    assert run_status(run).finished
    assert f"{run.path}/dataset" in printed(run_status(run))
    changed = parse_recipe({**recipe.model_dump(), "rules": {"languages": ["de"]}}, "-")
    run.write("recipe.yaml", changed.to_yaml())
    assert not run_status(run).finished


def test_without_its_crawl_the_remaining_parts_are_unknown(run: Run, tmp_path: Path) -> None:
    commit(run, "extract", "a")
    (tmp_path / "crawl").rename(tmp_path / "moved")
    assert left(run_status(run))["extract"] is None
    assert "-" in next(line for line in printed(run_status(run)).splitlines() if line.startswith("extract"))


def test_status_has_a_json_form(run: Run) -> None:
    status = run_status(run)
    assert RunStatus.model_validate_json(status.to_json()) == status
