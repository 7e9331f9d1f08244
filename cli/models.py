"""What the commands `generate`, `import-checkpoint` and `train --dry-run` call."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from m3w.recipes.errors import InputError

HELP = "/image PATH adds a picture, /again starts over, /quit ends; the model answers any other line."


def describe(
    checkpoint: Path, images: list[Path], text: str, shots: list[str], *, beams: int = 1, tokens: int = 32
) -> str:
    """The exported model's continuation of `text` on the pictures, after the `shots` ("IMAGE=TEXT" each)."""
    if not images:
        raise InputError("there is no picture to speak of; give --image FILE, or --interactive")
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
                typer.echo(f"{error}; give another picture")
        elif command.startswith("/"):
            typer.echo(f"{command} is not known here. {HELP}")
        else:
            typer.echo(conversation.ask(line))


def _lines() -> Iterator[str]:
    """The lines of the input that are not empty."""
    while True:
        if sys.stdin.isatty():
            typer.echo("> ", nl=False)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _begin(checkpoint: Path, shots: list[str], images: list[Path], *, beams: int, tokens: int) -> Any:
    """A conversation that starts with the shots and pictures."""
    from m3w.trainer.evaluate.loaded_model import check_model_folder
    from m3w.trainer.evaluate.media import UnreadableMediaError
    from m3w.trainer.generate import Conversation

    check_model_folder(checkpoint)
    pairs = [_shot(shot) for shot in shots] + [(str(image), "") for image in images]
    for path, _ in pairs:
        if "://" not in path and not Path(path).is_file():
            raise InputError(f"{path} is not there, so the model has nothing to look at; give a picture or video")
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
        raise InputError(f"--shot {option!r} is no picture with its text; write IMAGE=TEXT")
    return image, text


def import_from(kind: str, checkpoint: Path, out: Path, **arguments: Any) -> None:
    """Import a checkpoint of another project; see `m3w.model.openflamingo.import_openflamingo`."""
    if kind != "openflamingo":
        raise InputError(
            f"checkpoints of {kind} cannot be imported; give openflamingo, the one format that is supported"
        )
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} is not there; give OpenFlamingo's checkpoint.pt")
    from m3w.model.openflamingo import import_openflamingo

    try:
        import_openflamingo(checkpoint, out, **arguments)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from error


def describe_training(recipe: str, overrides: Sequence[str], *, gpus: int, gpu: str, mfu: float) -> str:
    """What a training would need and cost, in words."""
    from m3w.trainer.cost.dry_run import describe as in_words
    from m3w.trainer.cost.dry_run import dry_run
    from m3w.trainer.recipe import load_recipe

    return "\n".join(in_words(dry_run(load_recipe(recipe, overrides), gpus=gpus, gpu=gpu, mfu=mfu)))
