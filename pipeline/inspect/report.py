"""The report: one HTML file with the funnel, the distributions, example documents, drops, the recipe, the environment.

It loads nothing: style and script stand in it, pictures are `data:` URLs, and its Content-Security-Policy allows these
and nothing else. Everything that comes from the dataset is escaped, and the script makes no HTML.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Sequence
from html import escape
from pathlib import Path

from fsspec.core import url_to_fs

from m3w.pipeline.filters.consent import OPTED_OUT
from m3w.pipeline.images.hashes import FORBIDDEN
from m3w.pipeline.inspect.dropped import dropped_examples
from m3w.pipeline.inspect.environment import environment_section
from m3w.pipeline.inspect.examples import example_documents
from m3w.pipeline.inspect.fetched import fetched_pictures
from m3w.pipeline.inspect.figures import Statistics
from m3w.pipeline.inspect.folder import DatasetFolder, open_dataset
from m3w.pipeline.inspect.report_drops import drops_html, reasons_table
from m3w.pipeline.inspect.report_examples import example_article
from m3w.pipeline.inspect.report_figures import distributions_html, funnel_html, head, signals_html
from m3w.pipeline.inspect.section_html import section_html
from m3w.pipeline.inspect.sections import Section
from m3w.pipeline.inspect.static import read
from m3w.pipeline.inspect.wording import plain, short_name
from m3w.recipes.errors import InputError

EXAMPLES = 12
NOT_SHOWN = (OPTED_OUT, FORBIDDEN)
"""Reasons whose pictures are in no report, even where they lie in the store since before they were listed."""
EXAMPLES_ARE = "Documents at even distances over the dataset, not chosen by looks. Pictures are shown small."
DROPS_ARE = "At most three of each reason, chosen by a hash, not by looks."
SIGNALS_ARE = "What the rules look at. Five of a hundred documents lie below the first mark and above the last."


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
    parts = [
        ("Funnel", funnel_html(statistics) if statistics.funnel else ""),
        ("What was dropped, and by what", reasons_table(statistics)),
        ("Examples", _examples(folder, examples)),
        ("Distributions", distributions_html(statistics)),
        ("Signals", _under(SIGNALS_ARE, signals_html(statistics))),
        ("Examples of drops", _under(DROPS_ARE, _drops(folder) if examples else "")),
        *((section.title, section_html(section)) for section in sections),
        ("Recipe", f"<pre>{escape(recipe)}</pre>" if (recipe := folder.recipe()) else ""),
        ("Environment", section_html(environment_section(folder.run))),
    ]
    return _page(title or short_name(statistics.dataset), head(statistics), [part for part in parts if part[1]])


def _under(words: str, html: str) -> str:
    return f'<p class="soft">{words}</p>{html}' if html else ""


def _examples(folder: DatasetFolder, examples: int) -> str:
    shown = example_documents(folder, examples) if examples else []
    articles = "".join(map(example_article, shown))
    return _under(EXAMPLES_ARE, f'<div class="columns">{articles}</div>' if articles else "")


def _drops(folder: DatasetFolder) -> str:
    found, run = dropped_examples(folder), folder.run
    shown = [drop for drops in found.values() for drop in drops if drop.reason not in NOT_SHOWN]
    addresses = {drop.image_url for drop in shown if drop.image_url}
    return drops_html(found, fetched_pictures(run, addresses) if run and addresses else {})


def _page(title: str, header: str, parts: list[tuple[str, str]]) -> str:
    style, script = read("theme.css") + read("report.css"), read("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<a href="#part-{place}">{escape(name)}</a>' for place, (name, _) in enumerate(parts))
    body = "".join(f'<h2 id="part-{place}">{escape(name)}</h2>{html}' for place, (name, html) in enumerate(parts))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(plain(title))}: m3w report</title><style>{style}</style></head>\n"
        f'<body><header><h1>{escape(plain(title))}</h1><button class="theme" type="button" hidden></button>'
        f"{header}<nav>{links}</nav></header><main>{body}</main>"
        f'<div id="tip" role="status" hidden></div><script>{script}</script></body></html>\n'
    )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
