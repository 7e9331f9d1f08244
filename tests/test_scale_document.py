"""docs/scale.md holds the numbers that its command prints."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scale.cost import bill, breaks, read_figures

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_documents_tables_are_what_the_figures_give() -> None:
    figures = read_figures(DOCS / "benchmarks.md")
    text = (DOCS / "scale.md").read_text()
    missing = [row for row in (*bill(figures), *breaks(figures)) if f"| {' | '.join(row)} |" not in text]
    assert not missing


def test_twice_the_rate_halves_the_core_hours() -> None:
    figures = read_figures(DOCS / "benchmarks.md")
    faster = figures | {"pages_per_second_2": 2 * figures["pages_per_second_2"]}
    hours, half = (float(bill(each)[0][1].replace(",", "")) for each in (figures, faster))
    assert abs(hours - 2 * half) <= 2
