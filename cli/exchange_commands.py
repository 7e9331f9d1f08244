"""Commands to and from the forms of other projects: import, export."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(export)


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="obelics, mmc4, nemo or hf.")],
    dataset: Annotated[str, typer.Argument(help="The folder of a dataset or of a run.")],
    out: Annotated[str, typer.Option(help="An empty or new folder: a path, s3://, gs://, ...")],
    address: Annotated[str | None, typer.Option(help="A Ray cluster's address; without it Ray starts here.")] = None,
) -> None:
    """Write a dataset in the form of another project. Called again it goes on where it stopped.

    Example: m3w export mmc4 runs/first --out exported
    """
    from pipeline.exchange.export import export as export_dataset

    counters = export_dataset(form, dataset, out, address=address)
    typer.echo(f"{out}: {counters.get('documents', 0)} documents, {counters.get('images', 0)} images as {form}")
