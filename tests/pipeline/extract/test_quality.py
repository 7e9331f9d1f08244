"""The shared judge on the shared pages: quality does not fall below what was reached. Speed is the benchmark's matter."""

from __future__ import annotations

from pathlib import Path

from benchmarks.extract import judge


def test_quality_on_the_shared_pages(shared_data: Path) -> None:
    score = judge(shared_data.parent)
    scores = score.score(score.SYSTEMS["project"](), score.DATA / "readability", score.DATA / "trafilatura")
    assert scores["errors"] == 0
    assert scores["text F1"] >= 0.975
    assert scores["image F1"] >= 0.90
    assert scores["order"] == 1.0
    assert scores["snippets"] >= 0.915
