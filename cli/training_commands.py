"""Commands that create models: train, import-checkpoint."""

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
    processes: Annotated[int, typer.Option(help="Processes, one per GPU if there are GPUs.", min=1)] = 1,
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; without it Ray starts on this machine.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what the training would need and cost, without training.")
    ] = False,
    gpus: Annotated[int, typer.Option(help="For --dry-run: the number of GPUs.", min=1)] = 8,
    gpu: Annotated[str, typer.Option(help="For --dry-run: the type of GPU: h100, a100, ...")] = "h100",
    mfu: Annotated[float, typer.Option(help="For --dry-run: the model FLOPs utilisation.", min=0.01, max=1)] = 0.4,
) -> None:
    """Train a Flamingo on a dataset. Run it again to resume from the newest checkpoint.

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
    language_model: Annotated[str, typer.Option(help="Its language model: a folder or a name on the Hub.")],
    vision_encoder: Annotated[str, typer.Option(help="Its CLIP vision encoder: a folder or a name on the Hub.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    cross_attention_interval: Annotated[
        int | None, typer.Option(help="Decoder layers per cross-attention layer; default: as in the checkpoint.")
    ] = None,
    image_token_id: Annotated[
        int | None, typer.Option(help="Id of the image token; default: as in the tokenizer.")
    ] = None,
    end_of_chunk_token_id: Annotated[
        int | None, typer.Option(help="Id of the end-of-chunk token; default: as in the tokenizer.")
    ] = None,
) -> None:
    """Convert a released OpenFlamingo checkpoint to an m3w model.

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
    typer.echo(f"{out}: load it with m3w.Flamingo.from_pretrained")
