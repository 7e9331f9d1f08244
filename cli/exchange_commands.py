"""Commands to and from the forms of other projects: import, export."""

from __future__ import annotations

from typing import Annotated

import typer

from m3w.cli.data_commands import report_built


def register(app: typer.Typer) -> None:
    app.command("import")(import_)
    app.command()(export)


def import_(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="obelics, mmc4, nemo, pairs or package.module.name.")],
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Files, globs or folders; any fsspec path.")
    ],
    out: Annotated[str, typer.Option(help="The run's folder; the dataset lies in it.")],
    recipe: Annotated[str | None, typer.Option(help="In place of recipes/import.yaml, which keeps everything.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="A Ray cluster's address; without it Ray starts here.")] = None,
) -> None:
    """Turn documents in the form of another project into a dataset. Called again it goes on where it stopped.

    Example: m3w import pairs 'laion/*.tar' --out runs/laion
    """
    from m3w.pipeline.import_dataset import import_dataset

    manifest = import_dataset(form, sources, out, recipe=recipe, overrides=overrides or [], address=address)
    report_built(out, manifest)


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="obelics, mmc4, nemo or hf.")],
    dataset: Annotated[str, typer.Argument(help="The folder of a dataset or of a run.")],
    out: Annotated[str, typer.Option(help="An empty or new folder: a path, s3://, gs://, ...")],
    address: Annotated[str | None, typer.Option(help="A Ray cluster's address; without it Ray starts here.")] = None,
) -> None:
    """Write a dataset in the form of another project. Called again it goes on where it stopped.

    Example: m3w export mmc4 runs/first --out exported
    """
    from m3w.pipeline.exchange.export import export as export_dataset

    counters = export_dataset(form, dataset, out, address=address)
    typer.echo(f"{out}: {counters.get('documents', 0)} documents, {counters.get('images', 0)} images as {form}")
