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
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; without it Ray starts on this machine.")
    ] = None,
) -> None:
    """Build a dataset from a crawl and write a report. Run it again to resume.

    Example: m3w build recipes/m3w.yaml --run runs/first --set 'crawl.paths=["crawl/*.warc.gz"]'
    """
    from m3w.pipeline.build import build as build_dataset
    from m3w.pipeline.recipe import load_recipe

    report_built(run, build_dataset(load_recipe(recipe, overrides or []), run, address=address))


def report_built(run: str, manifest: Manifest) -> None:
    """Write the report of a finished run, and print a line with its counts."""
    from m3w.pipeline.inspect import statistics, write_report

    write_report(statistics(run), f"{run.rstrip('/')}/report.html")
    counts = manifest.counts["assemble"]
    typer.echo(
        f"{run}/dataset: {counts.get('documents', 0)} documents, {counts.get('images', 0)} images, "
        f"{counts.get('sequences', 0)} sequences"
    )


def status(
    run: Annotated[str, typer.Argument(help="The folder of an m3w build.")],
    follow: Annotated[bool, typer.Option("--watch", help="Follow the running build until it ends.")] = False,
) -> None:
    """Show what is done in a run, what failed and why, and what is left. Works on any machine that can read its folder.

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
    """Extract documents from an HTML, WARC or WACZ file and print them as JSON lines.

    Example: m3w extract page.html --url https://example.com/page.html
    """
    from m3w.pipeline.extract_file import document_lines

    for line in document_lines(file, url):
        typer.echo(line)


def stats(
    dataset: Annotated[str, typer.Argument(help="The folder of a dataset or of a run.")],
    other: Annotated[str | None, typer.Argument(help="A second one, to compare with the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write an HTML report to this file.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Also count tokens: a tokenizer.json, or a folder with one.")
    ] = None,
    tokenized: Annotated[int, typer.Option(help="Documents whose tokens are counted; 0: all.", min=0)] = 20_000,
) -> None:
    """Show the funnel and distributions of a dataset, or of two side by side.

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
        statistics(path, tokenizer=tokenizer, tokenized=tokenized) for path in (dataset, other) if path is not None
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
    port: Annotated[int, typer.Option(help="The port; 0 picks a free one.", min=0, max=65535)] = 8008,
    host: Annotated[
        str, typer.Option(help="The address to listen on; a token is required unless it is a loopback address.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(help="The token that URLs must contain; generated if it is needed.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another host name that requests may use; repeat for several.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Tokenizer for training windows: a tokenizer.json, or a folder with one.")
    ] = None,
    marks: Annotated[Path, typer.Option(help="The file for your marks on documents.")] = Path("marks.jsonl"),
) -> None:
    """Browse documents, sequences, training windows and drops in a web browser, and try thresholds.

    Example: m3w view runs/first
    """
    from m3w.cli.windows import window_cutter
    from m3w.pipeline.inspect.viewer import Viewer, serve

    viewer = Viewer(dataset, marks, window_cutter(tokenizer))
    names = frozenset(name.lower() for name in allow_host or ())
    serve(viewer, host=host, port=port, token=token, names=names, say=typer.echo)
