"""The functions behind `m3w generate`, `m3w import-checkpoint` and `m3w train --dry-run`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from m3w.recipes.errors import InputError

HELP = "/image PATH adds an image, /again starts over, /quit ends; the model answers any other line."


def describe(
    checkpoint: Path, images: list[Path], text: str, shots: list[str], *, beams: int = 1, tokens: int = 32
) -> str:
    """`text` and the exported model's continuation, given the images and the `shots` ("IMAGE=TEXT" each)."""
    if not images:
        raise InputError("no image is given, so the model has nothing to describe; use --image FILE, or --interactive")
    conversation = _begin(checkpoint, shots, images, beams=beams, tokens=tokens)
    return f"{text} {conversation.ask(text)}".strip()


def converse(checkpoint: Path, images: list[Path], shots: list[str], *, beams: int = 1, tokens: int = 32) -> None:
    """Read commands and texts, one on each line, until the end of the input; print the answers."""
    from m3w.trainer.evaluate.media import UnreadableMediaError

    conversation = _begin(checkpoint, shots, images, beams=beams, tokens=tokens)
    typer.echo(HELP)
    for line in _lines():
        command, _, rest = line.partition(" ")
        if command == "/quit":
            return
        if command == "/again":
            conversation.forget()
        elif command == "/image":
            try:
                conversation.show(rest.strip())
            except UnreadableMediaError as error:
                typer.echo(f"{error}; give another image")
        elif command.startswith("/"):
            typer.echo(f"{command} is not a command. {HELP}")
        else:
            typer.echo(conversation.ask(line))


def _lines() -> Iterator[str]:
    """The lines of standard input that are not empty."""
    while True:
        if sys.stdin.isatty():
            typer.echo("> ", nl=False)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _begin(checkpoint: Path, shots: list[str], images: list[Path], *, beams: int, tokens: int) -> Any:
    """A conversation that starts with the shots and images."""
    from m3w.trainer.evaluate.loaded_model import check_model_folder
    from m3w.trainer.evaluate.media import UnreadableMediaError
    from m3w.trainer.generate import Conversation

    check_model_folder(checkpoint)
    pairs = [_shot(shot) for shot in shots] + [(str(image), "") for image in images]
    for path, _ in pairs:
        if "://" not in path and not Path(path).is_file():
            raise InputError(f"{path} does not exist, so the model cannot see it; give the path of an image or video")
    conversation = Conversation.with_checkpoint(checkpoint, beams=beams, tokens=tokens)
    for path, text in pairs:
        try:
            conversation.show(path, text)
        except UnreadableMediaError as error:
            raise InputError(f"{error}; give a JPEG, PNG, GIF, WebP or a video") from error
    return conversation


def _shot(option: str) -> tuple[str, str]:
    image, equals, text = option.partition("=")
    if not equals or not image or not text:
        raise InputError(f"--shot {option!r} is not an image with its text; write IMAGE=TEXT")
    return image, text


def import_from(kind: str, checkpoint: Path, out: Path, **arguments: Any) -> None:
    """Import a checkpoint of another project; see `m3w.model.openflamingo.import_openflamingo`."""
    if kind != "openflamingo":
        raise InputError(
            f"checkpoints of {kind} cannot be imported; give openflamingo, the only format that is supported"
        )
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} does not exist; give the path of OpenFlamingo's checkpoint.pt")
    from m3w.model.openflamingo import import_openflamingo

    try:
        import_openflamingo(checkpoint, out, **arguments)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from error


def describe_training(recipe: str, overrides: Sequence[str], *, gpus: int, gpu: str, mfu: float) -> str:
    """What a training needs and costs, as text."""
    from m3w.trainer.cost.dry_run import describe as in_words
    from m3w.trainer.cost.dry_run import dry_run
    from m3w.trainer.recipe import load_recipe

    return "\n".join(in_words(dry_run(load_recipe(recipe, overrides), gpus=gpus, gpu=gpu, mfu=mfu)))
