"""Commands over crawls and datasets: build, status, extract, stats, view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from m3w.schemas.manifest import Manifest


def register(app: typer.Typer) -> None:
    for command in (build, status, extract, stats, view):
        app.command()(command)


def build(
    recipe: Annotated[str, typer.Argument(help="A recipe: a YAML file on any fsspec path.")],
    run: Annotated[str, typer.Option(help="The run's folder: a path, s3://, gs://, ...")] = "runs/m3w",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="A Ray cluster's address; without it Ray starts here.")] = None,
) -> None:
    """Turn a crawl into a dataset, and write a report on it. Called again it goes on where it stopped.

    Example: m3w build recipes/m3w.yaml --run runs/first --set 'crawl.paths=["crawl/*.warc.gz"]'
    """
    from m3w.pipeline.build import build as build_dataset
    from m3w.pipeline.recipe import load_recipe

    report_built(run, build_dataset(load_recipe(recipe, overrides or []), run, address=address))


def report_built(run: str, manifest: Manifest) -> None:
    """What is left to do when a run has its dataset: the report, and a line that says what it holds."""
    from m3w.pipeline.inspect import statistics, write_report

    write_report(statistics(run), f"{run.rstrip('/')}/report.html")
    counts = manifest.counts["assemble"]
    typer.echo(
        f"{run}/dataset: {counts.get('documents', 0)} documents, {counts.get('images', 0)} images, "
        f"{counts.get('sequences', 0)} sequences"
    )


def status(
    run: Annotated[str, typer.Argument(help="The folder of an m3w build.")],
    follow: Annotated[bool, typer.Option("--watch", help="Show the build at work until it ends.")] = False,
) -> None:
    """Say what of a run is done, what failed and why, and what is left; from any machine that sees its folder.

    Example: m3w status runs/first --watch
    """
    from rich.console import Console

    from m3w.pipeline.engine.run import Run
    from m3w.pipeline.inspect import print_status, run_status, watch

    opened, console = Run.open(run), Console()
    if follow:
        watch(opened, console)
    print_status(run_status(opened), console)


def extract(
    file: Annotated[str, typer.Argument(help="An HTML, WARC or WACZ file.")],
    url: Annotated[str, typer.Option(help="The page's URL, for an HTML file.")] = "http://localhost/",
) -> None:
    """Extract documents from one HTML, WARC or WACZ file, as JSON lines.

    Example: m3w extract page.html --url https://example.com/page.html
    """
    from m3w.pipeline.extract_file import document_lines

    for line in document_lines(file, url):
        typer.echo(line)


def stats(
    dataset: Annotated[str, typer.Argument(help="The folder of a dataset or of a run.")],
    other: Annotated[str | None, typer.Argument(help="A second one, to lay beside the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report to this file.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Count tokens, too: a tokenizer.json, or a folder with one.")
    ] = None,
    tokenized: Annotated[int, typer.Option(help="Documents whose tokens are counted; 0: all.", min=0)] = 20_000,
) -> None:
    """Show a dataset's funnel and distributions, or those of two side by side.

    Example: m3w stats runs/first --html report.html
    """
    from rich.console import Console

    from m3w.pipeline.inspect import (
        Comparison,
        comparison_section,
        print_comparison,
        print_statistics,
        statistics,
        write_report,
    )

    first, *others = (
        statistics(each, tokenizer=tokenizer, tokenized=tokenized) for each in (dataset, other) if each is not None
    )
    if html is not None:
        write_report(first, html, sections=[comparison_section(first, second) for second in others])
    if as_json:
        typer.echo((Comparison(datasets=[first, *others]) if others else first).to_json())
    elif others:
        print_comparison(first, others[0], Console())
    else:
        print_statistics(first, Console())


def view(
    dataset: Annotated[str, typer.Argument(help="The folder of a dataset or of a run, on any fsspec path.")],
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8008,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine a token is asked for.")] = "127.0.0.1",
    token: Annotated[str | None, typer.Option(help="What the address must hold; made up where it is needed.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further host name under which it may be asked for.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="For training windows: a tokenizer.json, or a folder with one.")
    ] = None,
    marks: Annotated[Path, typer.Option(help="The file that marks of documents are kept in.")] = Path("marks.jsonl"),
) -> None:
    """Browse documents, sequences, windows and drops in a browser, and try thresholds.

    Example: m3w view runs/first
    """
    from m3w.cli.viewing import window_cutter
    from m3w.pipeline.inspect.viewer import Viewer, serve

    viewer = Viewer(dataset, marks, window_cutter(tokenizer))
    names = frozenset(name.lower() for name in allow_host or ())
    serve(viewer, host=host, port=port, token=token, names=names, say=typer.echo)
