"""Two datasets side by side: the same figures of each, as tables for the report and for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from m3w.pipeline.inspect.figures import Distribution, Frequencies, Statistics, Step
from m3w.pipeline.inspect.presentation import Section, Table
from m3w.pipeline.inspect.wording import number, percent, plain, size

WIDTH = 80
"""Columns of the terminal."""
LISTED = 8
"""Values of a column that are compared."""
NONE = "–"
Row = tuple[str, str, str]
Figure = TypeVar("Figure")


def comparison(left: Statistics, right: Statistics) -> list[Table]:
    """Totals, funnel, distributions and frequencies of both; what only one of them has is a dash in the other."""
    first, second = names_of(left, right)
    shares = {
        (one or other or _EMPTY).title: list(_rows(_listed(one), _listed(other), str))
        for _, one, other in _side_by_side(left.frequencies, right.frequencies)
    }
    tables = {
        "Totals": list(_rows(_totals(left), _totals(right), str)),
        "Kept, of what entered the step": list(_rows(_steps(left), _steps(right), _kept)),
        "Dropped, of what entered the step": list(_rows(_drops(left), _drops(right), str)),
        "Median (5 to 95 percent)": list(_rows(_numbers(left), _numbers(right), _middle)),
        **shares,
        "Signals: median (5 to 95 percent)": list(_rows(left.signals, right.signals, _middle)),
    }
    return [Table(title=title, header=("", first, second), rows=rows) for title, rows in tables.items() if rows]


def comparison_section(left: Statistics, right: Statistics) -> Section:
    return Section(title="Side by side", items=comparison(left, right))


def print_comparison(left: Statistics, right: Statistics, console: Console) -> None:
    """Every figure that either dataset has, the first dataset on the left; 80 columns wide."""
    console.print(Text(f"{plain(left.dataset)}\n{plain(right.dataset)}", style="bold"), soft_wrap=True)
    for table in comparison(left, right):
        console.print()
        console.print(Text(table.title, style="bold"))
        shown = TerminalTable(box=None, pad_edge=False, header_style="dim", width=WIDTH)
        shown.add_column("", ratio=4, overflow="ellipsis", no_wrap=True)
        for name in table.header[1:]:
            shown.add_column(Text(name), ratio=3, justify="right", overflow="ellipsis", no_wrap=True)
        for row in table.rows:
            shown.add_row(*(Text(str(cell)) for cell in row))
        console.print(shown)


def names_of(left: Statistics, right: Statistics) -> tuple[str, str]:
    """The two paths without their common beginning and end, so that they fit a column."""
    first, second = (plain(each.dataset).split("/") for each in (left, right))
    while len(first) > 1 and len(second) > 1 and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    while len(first) > 1 and len(second) > 1 and first[0] == second[0]:
        first, second = first[1:], second[1:]
    return "/".join(first), "/".join(second)


def _totals(statistics: Statistics) -> dict[str, str]:
    totals = {}
    for field in ("documents", "images", "sequences", "document_bytes", "sequence_bytes"):
        total = sum(getattr(split, field) for split in statistics.splits.values())
        totals[field.replace("_", " ")] = size(total) if field.endswith("bytes") else number(total)
    if statistics.repetition:
        totals["images that repeat another"] = percent(statistics.repetition.share)
    if statistics.tokens:
        totals["tokens"] = number(statistics.tokens.estimated)
    return totals


def _steps(statistics: Statistics) -> dict[str, Step]:
    return {step.kept_as: step for step in statistics.funnel}


def _kept(step: Step) -> str:
    return f"{number(step.kept)} ({percent(step.share)})"


def _drops(statistics: Statistics) -> dict[str, str]:
    return {
        f"{plain(each.reason)} ({step.kept_as})": f"{number(each.count)} ({percent(each.share)})"
        for step in statistics.funnel
        for each in step.exits
        if each.kind == "dropped"
    }


def _numbers(statistics: Statistics) -> dict[str, Distribution]:
    return {each.title: each for each in statistics.distributions.values()}


def _middle(distribution: Distribution) -> str:
    if not distribution.count:
        return NONE
    form = size if distribution.unit == "bytes" else number
    low, middle, high = (form(distribution.percentiles[percentile]) for percentile in ("5", "50", "95"))
    return f"{middle} ({low}–{high})"


_EMPTY = Frequencies(title="", unit="", total=0, distinct=0, values=[])


def _listed(frequencies: Frequencies | None) -> dict[str, str]:
    return {plain(each.value): percent(each.share) for each in (frequencies or _EMPTY).values[:LISTED]}


def _rows(left: Mapping[str, Figure], right: Mapping[str, Figure], form: Callable[[Figure], str]) -> Iterator[Row]:
    for name, one, other in _side_by_side(left, right):
        cells = (NONE if one is None else form(one), NONE if other is None else form(other))
        if cells != (NONE, NONE):
            yield name, *cells


def _side_by_side(
    left: Mapping[str, Figure], right: Mapping[str, Figure]
) -> Iterator[tuple[str, Figure | None, Figure | None]]:
    """By name, in the order of the first, then what only the second has."""
    for name in dict.fromkeys([*left, *right]):
        yield name, left.get(name), right.get(name)
