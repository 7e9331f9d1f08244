"""Commands for the formats of other projects: import, export."""

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
    out: Annotated[str, typer.Option(help="The run's folder, which will contain the dataset.")],
    recipe: Annotated[
        str | None, typer.Option(help="A recipe to use instead of recipes/import.yaml, which keeps everything.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; without it Ray starts on this machine.")
    ] = None,
) -> None:
    """Build a dataset from documents in the format of another project. Run it again to resume.

    Example: m3w import pairs 'laion/*.tar' --out runs/laion
    """
    from m3w.pipeline.import_dataset import import_dataset

    manifest = import_dataset(form, sources, out, recipe=recipe, overrides=overrides or [], address=address)
    report_built(out, manifest)


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="obelics, mmc4, nemo or hf.")],
    dataset: Annotated[str, typer.Argument(help="The folder of a dataset or of a run.")],
    out: Annotated[str, typer.Option(help="An empty or new folder: a path, s3://, gs://, ...")],
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; without it Ray starts on this machine.")
    ] = None,
) -> None:
    """Export a dataset to the format of another project. Run it again to resume.

    Example: m3w export mmc4 runs/first --out exported
    """
    from m3w.pipeline.exchange.export import export as export_dataset

    counters = export_dataset(form, dataset, out, address=address)
    typer.echo(f"{out}: {counters.get('documents', 0)} documents, {counters.get('images', 0)} images as {form}")
