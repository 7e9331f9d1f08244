"""Commands that ask a model: eval, generate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("eval")(evaluate)
    app.command()(generate)


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="An exported model: the `model` folder of a training or import.")],
    recipe: Annotated[str, typer.Argument(help="An evaluation recipe: a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Put a value into the recipe.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes on this machine, one a GPU.", min=1)] = 1,
) -> None:
    """Score a model on a benchmark, few-shot. Called again it goes on where it stopped.

    Example: m3w eval demo/training/model recipes/eval-coco.yaml --set root=/data/coco --set 'shots=[0,4]'
    """
    from m3w.cli.evaluation_report import print_results
    from m3w.trainer.evaluate.launch import evaluate as launch

    status, found = launch(str(checkpoint), recipe, overrides or [], processes)
    if found is not None and status < 2:
        print_results(Path(found.output))
    raise typer.Exit(status)


def generate(
    checkpoint: Annotated[Path, typer.Argument(help="An exported model: the `model` folder of a training or import.")],
    image: Annotated[list[Path] | None, typer.Option(help="A picture or video; several stand in a row.")] = None,
    text: Annotated[str, typer.Option(help="What the answer goes on from.")] = "",
    shot: Annotated[
        list[str] | None, typer.Option(metavar="IMAGE=TEXT", help="A picture and what is said of it, shown before.")
    ] = None,
    beams: Annotated[int, typer.Option(help="Beams of the search; 1 is greedy.", min=1)] = 1,
    tokens: Annotated[int, typer.Option(help="The most tokens of an answer.", min=1)] = 32,
    interactive: Annotated[bool, typer.Option("--interactive", help="Go on asking.")] = False,
) -> None:
    """Say what a Flamingo says of pictures, after examples if there are some.

    Example: m3w generate demo/training/model --shot cat.png="A cat." --image star.png --text "The picture shows"
    """
    from m3w.cli.models import converse, describe

    if interactive:
        converse(checkpoint, image or [], shot or [], beams=beams, tokens=tokens)
    else:
        typer.echo(describe(checkpoint, image or [], text, shot or [], beams=beams, tokens=tokens))
