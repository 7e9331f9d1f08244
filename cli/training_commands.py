"""Commands over models: train, generate."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    for command in (train,):
        app.command()(command)


def train(
    recipe: Annotated[str, typer.Argument(help="A training recipe: a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Put a value into the recipe.")
    ] = None,
    launcher: Annotated[str, typer.Option(help="torchrun or ray.")] = "torchrun",
    processes: Annotated[int, typer.Option(help="Processes on this machine.", min=1)] = 1,
) -> None:
    """Train a Flamingo on a dataset. Called again it goes on from the newest checkpoint.

    Example: m3w train recipes/train-tiny.yaml --set data.dataset=runs/first/dataset
    """
    from trainer.launch import train as launch

    raise typer.Exit(launch(recipe, overrides or [], launcher, processes))
