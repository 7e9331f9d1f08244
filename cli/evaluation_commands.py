"""Commands that run a model: eval, generate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command("eval")(evaluate)
    app.command()(generate)


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="An exported model: the `model` folder of a training or import.")],
    recipe: Annotated[str, typer.Argument(help="An evaluation recipe: a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes on this machine, one for each GPU.", min=1)] = 1,
) -> None:
    """Score a model on a benchmark, few-shot. Run it again to resume.

    Example: m3w eval demo/training/model recipes/eval-coco.yaml --set root=/data/coco --set 'shots=[0,4]'
    """
    from m3w.trainer.evaluate.launch import evaluate as launch

    status, resolved = launch(str(checkpoint), recipe, overrides or [], processes)
    if resolved is not None and status < 2:
        _print_results(Path(resolved.output))
    raise typer.Exit(status)


def generate(
    checkpoint: Annotated[Path, typer.Argument(help="An exported model: the `model` folder of a training or import.")],
    image: Annotated[list[Path] | None, typer.Option(help="An image or video; repeat for several.")] = None,
    text: Annotated[str, typer.Option(help="The text that the model continues.")] = "",
    shot: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE=TEXT", help="An example: an image and its text; repeat for several."),
    ] = None,
    beams: Annotated[int, typer.Option(help="Beams of the beam search; 1: greedy decoding.", min=1)] = 1,
    tokens: Annotated[int, typer.Option(help="Maximum number of tokens in an answer.", min=1)] = 32,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Read further images and texts from the terminal.")
    ] = False,
) -> None:
    """Generate text about images with a Flamingo, optionally after examples (few-shot).

    Example: m3w generate demo/training/model --shot cat.png="A cat." --image star.png --text "The picture shows"
    """
    from m3w.cli.models import converse, describe

    if interactive:
        converse(checkpoint, image or [], shot or [], beams=beams, tokens=tokens)
    else:
        typer.echo(describe(checkpoint, image or [], text, shot or [], beams=beams, tokens=tokens))


def _print_results(output: Path) -> None:
    """Print `output`/results.json: scores by number of shots, scores by group, unreadable queries and media."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    protocol = f"{results['queries']} queries, supports {results['choose']}"
    if results["query_image"] != "own":
        protocol += ", each with another query's image"
    table = Table(title=f"{results['task']}: {protocol}", title_justify="left")
    _fill(table, results["summary"], ("shots",))
    console.print(table)
    if "groups" in results:
        groups = Table(title="by group", title_justify="left")
        _fill(groups, results["groups"], ("shots", "group", "queries"))
        console.print(groups)
    for name, reason in results.get("left_out", {}).items():
        console.print(f"{name} is left out: {reason}")
    for what in ("unreadable_queries", "unreadable_media"):
        if results[what]:
            name, reason = next(iter(results[what].items()))
            console.print(f"{what.replace('_', ' ')}: {len(results[what])}, the first is {name}: {reason}")
    console.print(f"{output}/results.json; all predictions with their prompts: {output}/predictions")


def _fill(table: Any, rows: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Add a column for each metric, in the task's order, and the rows."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    for name in (*keys, *metrics):
        table.add_column(name, justify="left" if name == "group" else "right")
    by_key: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        by_key.setdefault(tuple(row[key] for key in keys), {})[row["metric"]] = _format(row)
    for key, values in by_key.items():
        table.add_row(*map(str, key), *(values.get(name, "") for name in metrics))


def _format(row: dict[str, Any]) -> str:
    if row["mean"] is None:
        return "not defined"
    return f"{row['mean']:.2f}" + ("" if row["spread"] is None else f" ± {row['spread']:.2f}")
