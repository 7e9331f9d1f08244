"""A dataset's statistics as tables on the terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from m3w.pipeline.inspect.figures import Frequencies, Statistics, Step
from m3w.pipeline.inspect.wording import (
    TRACKS,
    bin_label,
    kinds,
    number,
    percent,
    plain,
    repetition_summary,
    short,
    shown_bins,
    size,
    summary,
    tokens_summary,
)

WIDTH = 80
BAR = 19
LABEL = 34
LISTED = 10
"""Values of a column that the terminal shows; the JSON and the report have more."""


def print_statistics(statistics: Statistics, console: Console) -> None:
    """The totals, the funnel and the distributions; at most 80 columns, without colour where there is none."""
    console.print(Text(plain(statistics.dataset), style="bold"), soft_wrap=True)
    console.print(_totals(statistics))
    for track, title in TRACKS.items():
        steps = [step for step in statistics.funnel if step.track == track]
        if steps:
            _heading(console, title, "shares of what entered the step;  - dropped  · passed by")
            console.print(_funnel(steps))
    if statistics.faults:
        _heading(console, "Faults in the crawl", "what lies around them was read; see quarantine/ in the run")
        console.print(_bars((name, count) for name, count in statistics.faults.items()))
    for distribution in statistics.distributions.values():
        if distribution.count:
            _heading(console, distribution.title, summary(distribution))
            console.print(_bars((bin_label(each, distribution), each.count) for each in shown_bins(distribution)))
    for frequencies in statistics.frequencies.values():
        if frequencies.total:
            _heading(console, frequencies.title, kinds(frequencies))
            console.print(_frequencies(frequencies))
    if (repetition := statistics.repetition) is not None:
        _heading(console, "Repeated images", repetition_summary(repetition))
    if (tokens := statistics.tokens) is not None:
        _heading(console, "Tokens", tokens_summary(tokens))
    if any(each.count for each in statistics.signals.values()):
        _heading(console, "Signals of documents", "what the rules look at; docs/filtering.md describes each")
        console.print(_signals(statistics))


def _signals(statistics: Statistics) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", width=WIDTH)
    table.add_column("signal", width=LABEL, no_wrap=True, overflow="ellipsis")
    for name in ("lowest", "5 %", "median", "95 %", "highest"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, each in statistics.signals.items():
        if each.lowest is not None and each.highest is not None:
            middle = (each.percentiles[percentile] for percentile in ("5", "50", "95"))
            table.add_row(name, *map(short, (each.lowest, *middle, each.highest)))
    return table


def _heading(console: Console, title: str, beside: str = "") -> None:
    console.print()
    console.print(Text(title, style="bold"))
    if beside:
        console.print(Text(beside, style="dim"), width=WIDTH)


def _totals(statistics: Statistics) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("split")
    for name in ("documents", "images", "sequences", "shards", "size"):
        table.add_column(name, justify="right")
    for name, split in statistics.splits.items():
        table.add_row(
            name,
            number(split.documents),
            number(split.images),
            number(split.sequences),
            number(split.document_shards + split.sequence_shards),
            size(split.document_bytes + split.sequence_bytes),
        )
    return table


def _funnel(steps: list[Step]) -> Table:
    """What entered, why some of it left, and what was kept; bars are shares of what entered."""
    table = _table()
    before = None
    for step in steps:
        if before is None or before.kept != step.entered:
            table.add_row(Text(step.entered_as, style="bold"), Text(number(step.entered), style="bold"))
        for left in step.exits:
            lost = left.kind == "dropped"
            label = Text(f"  {'-' if lost else '·'} {left.reason}")
            table.add_row(label, number(left.count), percent(left.share), _bar(left.share, "red" if lost else "dim"))
        if step.unaccounted:
            table.add_row(Text("  ? unaccounted", style="red"), number(step.unaccounted))
        kept = Text(number(step.kept), style="bold")
        table.add_row(Text(step.kept_as, style="bold"), kept, percent(step.share), _bar(step.share, "green"))
        before = step
    return table


def _bars(rows: Iterable[tuple[str, int]], total: int | None = None) -> Table:
    listed = list(rows)
    total = total or sum(count for _, count in listed)
    longest = max((count for _, count in listed), default=0)
    table = _table()
    for label, count in listed:
        bar = _bar(count / longest if longest else 0, "cyan")
        table.add_row(Text(plain(label)), number(count), percent(count / total if total else 0), bar)
    return table


def _frequencies(frequencies: Frequencies) -> Table:
    listed = [(each.value, each.count) for each in frequencies.values[:LISTED]]
    others = frequencies.total - sum(count for _, count in listed)
    if others:
        rest = frequencies.distinct - len(listed)
        listed.append((f"{number(rest)} others", others))
    return _bars(listed, frequencies.total)


def _table() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, width=WIDTH)
    table.add_column(width=LABEL, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", width=13, no_wrap=True)
    table.add_column(justify="right", width=8, no_wrap=True)
    table.add_column(width=BAR, no_wrap=True)
    return table


EIGHTHS = " ▏▎▍▌▋▊▉█"


def _bar(share: float, style: str) -> Text:
    """A bar of `BAR` cells at a share of 1, to an eighth of a cell; any share above 0 is visible."""
    eighths = round(min(max(share, 0), 1) * BAR * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return Text("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip(), style=style)
