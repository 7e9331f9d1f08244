"""The figures of a dataset as HTML: tiles, funnel, distributions, signals, tokens."""

from __future__ import annotations

from html import escape

from m3w.pipeline.inspect.charts import Row, bar_table, value_rows
from m3w.pipeline.inspect.figures import Distribution, Frequencies, Statistics, Step
from m3w.pipeline.inspect.histogram import histogram, spark
from m3w.pipeline.inspect.section_html import table_html
from m3w.pipeline.inspect.sections import Cell, Drawn, Table
from m3w.pipeline.inspect.wording import (
    TRACKS,
    kinds,
    number,
    plain,
    repetition_summary,
    size,
    summary,
    tokens_summary,
)

LISTED = 15
"""Values of a column that the report shows."""


def head(statistics: Statistics) -> str:
    splits, hosts = statistics.splits, statistics.frequencies["hosts"]
    total = {
        "documents": number(sum(split.documents for split in splits.values())),
        "images": number(sum(split.images for split in splits.values())),
        "sequences": number(sum(split.sequences for split in splits.values())),
        "hosts": number(hosts.distinct) + ("" if hosts.exact else "+"),
        "on disk": size(sum(split.document_bytes + split.sequence_bytes for split in splits.values())),
    }
    tiles = "".join(f"<div><b>{value}</b><small>{name}</small></div>" for name, value in total.items())
    rows: list[tuple[Cell, ...]] = [
        (name, split.documents, split.images, split.sequences, split.document_shards + split.sequence_shards)
        for name, split in splits.items()
    ]
    table = table_html(Table(header=("split", "documents", "images", "sequences", "shards"), rows=rows))
    made = f"{statistics.dataset} · m3w {statistics.m3w_version} · recipe {statistics.recipe_sha256[:12]}"
    return f'<p class="soft">{escape(plain(made))}</p><div class="tiles">{tiles}</div>{table}'


def funnel_html(statistics: Statistics) -> str:
    parts = ['<p class="soft">Shares and bars are of what entered the step. Red was dropped; grey was passed by.</p>']
    parts.append('<div class="columns">')
    for track, title in TRACKS.items():
        steps = [step for step in statistics.funnel if step.track == track]
        if steps:
            parts.append(f"<section><h3>{title}</h3>{bar_table(_step_rows(steps))}</section>")
    if statistics.faults:
        counts = [(name, count) for name, count in statistics.faults.items()]
        rows = bar_table(value_rows(counts, sum(count for _, count in counts)))
        parts.append(_card("Faults in the crawl", "What lies around them was read.", rows))
    return "".join([*parts, "</div>"])


def _step_rows(steps: list[Step]) -> list[Row]:
    rows: list[Row] = []
    before: Step | None = None
    for step in steps:
        if before is None or before.kept != step.entered:
            rows.append(Row(step.entered_as, step.entered, 1, 1, "entered"))
        rows += [Row(left.reason, left.count, left.share, left.share, left.kind) for left in step.exits]
        if step.unaccounted:
            rows.append(Row("unaccounted", step.unaccounted, 0, 0, "dropped"))
        rows.append(Row(step.kept_as, step.kept, step.share, step.share, "kept"))
        before = step
    return rows


def distributions_html(statistics: Statistics) -> str:
    shown = [_distribution(each) for each in statistics.distributions.values() if each.count]
    if (tokens := statistics.tokens) is not None:
        shown.append(_card("Tokens per document", tokens_summary(tokens), histogram(tokens.per_document)))
    shown += [_frequencies(each) for each in statistics.frequencies.values() if each.total]
    if (repetition := statistics.repetition) is not None:
        shown.append(_card("Repeated images", repetition_summary(repetition), ""))
    return f'<div class="columns">{"".join(shown)}</div>'


def _distribution(distribution: Distribution) -> str:
    return _card(distribution.title, summary(distribution), histogram(distribution))


def _frequencies(frequencies: Frequencies) -> str:
    counts = [(each.value, each.count) for each in frequencies.values[:LISTED]]
    rows = value_rows(counts, frequencies.total)
    if others := frequencies.total - sum(count for _, count in counts):
        rest = number(frequencies.distinct - len(counts))
        rows.append(Row(f"{rest} others", others, others / frequencies.total, 0, "passed"))
    return _card(frequencies.title, kinds(frequencies), bar_table(rows))


def signals_html(statistics: Statistics) -> str:
    """One row for each signal, with its distribution drawn small."""
    rows: list[tuple[Cell, ...]] = []
    for name, each in statistics.signals.items():
        if each.lowest is not None and each.highest is not None:
            middle = [each.percentiles[place] for place in ("5", "50", "95")]
            marks = [float(f"{mark:.3g}") for mark in (each.lowest, *middle, each.highest)]
            rows.append((name, *marks, Drawn(spark(each)), each.title))
    header = ("signal", "lowest", "5 %", "median", "95 %", "highest", "", "what it is")
    return f'<div class="signals">{table_html(Table(header=header, rows=rows))}</div>' if rows else ""


def _card(title: str, beside: str, html: str) -> str:
    return f'<section><h3>{escape(title)}</h3><p class="soft">{escape(beside)}</p>{html}</section>'
