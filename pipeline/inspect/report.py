"""The report: one HTML file with the funnel, the distributions, example documents and the recipe.

It loads nothing and runs nothing: no script, pictures as `data:` URLs, a Content-Security-Policy that allows only these
and the one style sheet. Everything that comes from the dataset is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Sequence
from html import escape
from pathlib import Path

from fsspec.core import url_to_fs

from pipeline.errors import InputError
from pipeline.inspect.charts import Row, bar_table, value_rows
from pipeline.inspect.examples import example_documents
from pipeline.inspect.figures import Distribution, Frequencies, Statistics, Step
from pipeline.inspect.folder import open_dataset
from pipeline.inspect.report_examples import example_article
from pipeline.inspect.section_html import section_html, table_html
from pipeline.inspect.sections import Section, Table
from pipeline.inspect.style import STYLE
from pipeline.inspect.wording import TRACKS, bin_label, kinds, number, plain, shown_bins, size, summary

EXAMPLES = 6
EXAMPLES_ARE = "Documents at even distances in the first shard, not chosen by looks. Pictures are shown small."
LISTED = 15
"""Values of a column that the report shows."""


def write_report(
    statistics: Statistics,
    file_path: str | Path,
    *,
    title: str | None = None,
    examples: int = EXAMPLES,
    sections: Sequence[Section] = (),
) -> None:
    """Write the report on the dataset that `statistics` is of to `file_path`, any fsspec path.

    `sections` come after the dataset's own, before the recipe. Raises `InputError` if the file cannot be written.
    """
    page = report_html(statistics, title=title, examples=examples, sections=sections)
    fs, path = url_to_fs(str(file_path))
    try:
        fs.makedirs(posixpath.dirname(path), exist_ok=True)
        fs.pipe_file(path, page.encode("utf-8", "replace"))
    except OSError as error:
        raise InputError(f"{file_path} cannot be written ({error}); give a file in a folder you may write") from error


def report_html(
    statistics: Statistics, *, title: str | None = None, examples: int = EXAMPLES, sections: Sequence[Section] = ()
) -> str:
    """The report as HTML."""
    folder = open_dataset(statistics.dataset)
    parts = [("Funnel", _funnel(statistics))] if statistics.funnel else []
    if shown := example_documents(folder, examples):
        articles = "".join(example_article(example) for example in shown)
        parts.append(("Examples", f'<p class="soft">{EXAMPLES_ARE}</p><div class="columns">{articles}</div>'))
    parts.append(("Distributions", _distributions(statistics)))
    parts += [(section.title, section_html(section)) for section in sections]
    if recipe := folder.recipe():
        parts.append(("Recipe", f"<pre>{escape(recipe)}</pre>"))
    return _page(title or _title(statistics.dataset), _head(statistics), parts)


def _title(dataset: str) -> str:
    """The run's name, or the dataset's: the last word of its path that says something."""
    names = [name for name in dataset.rstrip("/").split("/") if name and name != "dataset"]
    return names[-1] if names else dataset


def _page(title: str, head: str, parts: list[tuple[str, str]]) -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    links = "".join(f'<a href="#part-{place}">{escape(name)}</a>' for place, (name, _) in enumerate(parts))
    body = "".join(f'<h2 id="part-{place}">{escape(name)}</h2>{html}' for place, (name, html) in enumerate(parts))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(plain(title))}: m3w report</title><style>{STYLE}</style></head>\n"
        f"<body><header><h1>{escape(plain(title))}</h1>{head}<nav>{links}</nav></header><main>{body}</main></body></html>\n"
    )


def _head(statistics: Statistics) -> str:
    splits, hosts = statistics.splits, statistics.frequencies["hosts"]
    total = {
        "documents": number(sum(split.documents for split in splits.values())),
        "images": number(sum(split.images for split in splits.values())),
        "sequences": number(sum(split.sequences for split in splits.values())),
        "hosts": number(hosts.distinct) + ("" if hosts.exact else "+"),
        "on disk": size(sum(split.document_bytes + split.sequence_bytes for split in splits.values())),
    }
    tiles = "".join(f"<div><b>{value}</b><small>{name}</small></div>" for name, value in total.items())
    rows: list[Sequence[str | int | float]] = [
        (name, split.documents, split.images, split.sequences, split.document_shards + split.sequence_shards)
        for name, split in splits.items()
    ]
    table = table_html(Table(header=("split", "documents", "images", "sequences", "shards"), rows=rows))
    made = f"{statistics.dataset} · m3w {statistics.m3w_version} · recipe {statistics.recipe_sha256[:12]}"
    return f'<p class="soft">{escape(made)}</p><div class="tiles">{tiles}</div>{table}'


def _funnel(statistics: Statistics) -> str:
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


def _distributions(statistics: Statistics) -> str:
    shown = [_distribution(each) for each in statistics.distributions.values() if each.count]
    shown += [_frequencies(each) for each in statistics.frequencies.values() if each.total]
    return f'<div class="columns">{"".join(shown)}</div>'


def _distribution(distribution: Distribution) -> str:
    counts = [(bin_label(each, distribution), each.count) for each in shown_bins(distribution)]
    rows = bar_table(value_rows(counts, distribution.count))
    return _card(distribution.title, summary(distribution), rows)


def _frequencies(frequencies: Frequencies) -> str:
    counts = [(each.value, each.count) for each in frequencies.values[:LISTED]]
    rows = value_rows(counts, frequencies.total)
    if others := frequencies.total - sum(count for _, count in counts):
        rest = number(frequencies.distinct - len(counts))
        rows.append(Row(f"{rest} others", others, others / frequencies.total, 0, "passed"))
    return _card(frequencies.title, kinds(frequencies), bar_table(rows))


def _card(title: str, beside: str, html: str) -> str:
    return f'<section><h3>{escape(title)}</h3><p class="soft">{escape(beside)}</p>{html}</section>'
