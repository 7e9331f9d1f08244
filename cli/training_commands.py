"""Commands over models: train, import-checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command("import-checkpoint")(import_checkpoint)


def train(
    recipe: Annotated[str, typer.Argument(help="A training recipe: a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe.")
    ] = None,
    launcher: Annotated[str, typer.Option(help="torchrun (this machine) or ray (a cluster).")] = "torchrun",
    processes: Annotated[int, typer.Option(help="Processes, one a GPU where there are any.", min=1)] = 1,
    address: Annotated[str | None, typer.Option(help="A Ray cluster's address; without it Ray starts here.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train nothing: say what it would need and cost.")] = False,
    gpus: Annotated[int, typer.Option(help="Of a dry run.", min=1)] = 8,
    gpu: Annotated[str, typer.Option(help="Of a dry run: h100, a100, ...")] = "h100",
    mfu: Annotated[float, typer.Option(help="Of a dry run: model FLOPs utilisation.", min=0.01, max=1)] = 0.4,
) -> None:
    """Train a Flamingo on a dataset. Called again it goes on from the newest checkpoint.

    Example: m3w train recipes/train-tiny.yaml --set data.dataset=runs/first/dataset
    """
    if dry_run:
        from m3w.cli.models import describe_training

        typer.echo(describe_training(recipe, overrides or [], gpus=gpus, gpu=gpu, mfu=mfu))
        return
    from m3w.trainer.launch import train as launch

    raise typer.Exit(launch(recipe, overrides or [], launcher, processes, address))


def import_checkpoint(
    kind: Annotated[str, typer.Argument(help="openflamingo")],
    checkpoint: Annotated[Path, typer.Argument(help="OpenFlamingo's checkpoint.pt.")],
    language_model: Annotated[str, typer.Option(help="Its language model: a folder or name.")],
    vision_encoder: Annotated[str, typer.Option(help="Its CLIP vision encoder: a folder or name.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    cross_attention_interval: Annotated[int | None, typer.Option(help="Read from the checkpoint if not given.")] = None,
    image_token_id: Annotated[int | None, typer.Option(help="Taken from the tokenizer if not given.")] = None,
    end_of_chunk_token_id: Annotated[int | None, typer.Option(help="Taken from the tokenizer if not given.")] = None,
) -> None:
    """Turn a released OpenFlamingo checkpoint into a model of ours.

    Example: m3w import-checkpoint openflamingo checkpoint.pt --language-model opt --vision-encoder clip --out flamingo
    """
    from m3w.cli.models import import_from

    import_from(
        kind,
        checkpoint,
        out,
        language_model=language_model,
        vision_encoder=vision_encoder,
        cross_attention_interval=cross_attention_interval,
        image_token_id=image_token_id,
        end_of_chunk_token_id=end_of_chunk_token_id,
    )
    typer.echo(f"{out}: model.Flamingo.from_pretrained reads it")
