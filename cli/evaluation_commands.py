"""Commands that run a model: eval, generate."""

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
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes on this machine, one for each GPU.", min=1)] = 1,
) -> None:
    """Score a model on a benchmark, few-shot. Run it again to resume.

    Example: m3w eval demo/training/model recipes/eval-coco.yaml --set root=/data/coco --set 'shots=[0,4]'
    """
    from m3w.cli.evaluation_report import print_results
    from m3w.trainer.evaluate.launch import evaluate as launch

    status, loaded = launch(str(checkpoint), recipe, overrides or [], processes)
    if loaded is not None and status < 2:
        print_results(Path(loaded.output))
    raise typer.Exit(status)


def generate(
    checkpoint: Annotated[Path, typer.Argument(help="An exported model: the `model` folder of a training or import.")],
    image: Annotated[list[Path] | None, typer.Option(help="A picture or video; repeat for several.")] = None,
    text: Annotated[str, typer.Option(help="The text that the model continues.")] = "",
    shot: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE=TEXT", help="A picture and its text, as an example; repeat for several."),
    ] = None,
    beams: Annotated[int, typer.Option(help="Beams of the search; 1 is greedy decoding.", min=1)] = 1,
    tokens: Annotated[int, typer.Option(help="Maximum tokens of an answer.", min=1)] = 32,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Read more pictures and texts from the terminal.")
    ] = False,
) -> None:
    """Generate text about pictures with a Flamingo, after examples if there are some.

    Example: m3w generate demo/training/model --shot cat.png="A cat." --image star.png --text "The picture shows"
    """
    from m3w.cli.models import converse, describe

    if interactive:
        converse(checkpoint, image or [], shot or [], beams=beams, tokens=tokens)
    else:
        typer.echo(describe(checkpoint, image or [], text, shot or [], beams=beams, tokens=tokens))
