"""Two datasets side by side, and what kind of thing a drop is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from m3w.pipeline.inspect import print_comparison, statistics
from m3w.pipeline.inspect.comparison import comparison, names_of
from m3w.pipeline.inspect.funnel import cause_of
from tests.pipeline.inspect.conftest import DOCUMENTS


def rows(tables: list, title: str) -> dict[str, tuple[str, str]]:  # type: ignore[type-arg]
    (table,) = (table for table in tables if table.title == title)
    return {row[0]: (row[1], row[2]) for row in table.rows}


def test_figures_of_both_stand_in_one_row(run_folder: Path, write_dataset: Callable[..., Path]) -> None:
    other = write_dataset(
        DOCUMENTS[:1], {"extract": {"pages": 4, "documents": 1, "pages_dropped.no_image": 3}}, "other"
    )
    tables = comparison(statistics(str(run_folder)), statistics(str(other)))
    assert rows(tables, "Totals")["documents"] == ("3", "1")
    assert rows(tables, "Kept, of what entered the step")["documents"] == ("5 (83.3 %)", "1 (25.0 %)")
    assert rows(tables, "Dropped, of what entered the step")["not_html (pages)"] == ("1 (8.3 %)", "–")
    assert rows(tables, "Median (5 to 95 percent)")["Words per document"] == ("2 (1–4)", "4 (4–4)")
    assert rows(tables, "Languages") == {"en": ("66.7 %", "100.0 %"), "de": ("33.3 %", "–")}


def test_names_are_what_tells_the_two_apart(run_folder: Path, write_dataset: Callable[..., Path]) -> None:
    other = write_dataset(name="other")
    assert names_of(statistics(str(run_folder)), statistics(str(other))) == ("run", "other")


def test_fits_80_columns_and_moves_no_cursor(run_folder: Path, hostile_run: Path) -> None:
    file = io.StringIO()
    print_comparison(statistics(str(run_folder)), statistics(str(hostile_run)), Console(file=file, width=80))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines[2:])) <= 80 and "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    ("stage", "reason", "cause"),
    [
        ("filter", "words", "rule"),
        ("filter", "opted_out", "opt_out"),
        ("filter", "blocked_domain", "block_list"),
        ("unique", "near_duplicate", "duplicate"),
        ("unique", "evaluation_text", "evaluation"),
        ("fetch", "http_404", "fetch"),
        ("fetch", "opted_out", "opt_out"),
        ("join", "http_404", "fetch"),
        ("join", "too_small", "rule"),
        ("join", "frequent_image", "duplicate"),
        ("join", "no_image_left", "left_over"),
        ("extract", "not_html", "crawl"),
    ],
)
def test_each_drop_is_of_a_kind(stage: str, reason: str, cause: str) -> None:
    assert cause_of(stage, reason, {"fetch": {"image_urls_dropped.http_404": 1}}) == cause
