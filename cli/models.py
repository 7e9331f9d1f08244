"""What the commands over models call: their errors are the user's, in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from m3w.recipes.errors import InputError

HELP = "/image PATH puts a picture in, /again begins anew, /quit ends; anything else is asked."


def describe(
    checkpoint: Path, images: list[Path], text: str, shots: list[str], *, beams: int = 1, tokens: int = 32
) -> str:
    """What the exported model in `checkpoint` says of the pictures after `text`, behind `shots` ("IMAGE=TEXT" each)."""
    if not images:
        raise InputError("there is no picture to speak of; give --image FILE, or --interactive")
    conversation = _begin(checkpoint, shots, images, beams=beams, tokens=tokens)
    return f"{text} {conversation.ask(text)}".strip()


def converse(checkpoint: Path, images: list[Path], shots: list[str], *, beams: int = 1, tokens: int = 32) -> None:
    """Read lines until the end of the input: pictures to put in and texts to go on from; print the answers."""
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
    """Lines that are typed, or piped in, without the empty ones."""
    while True:
        if sys.stdin.isatty():
            typer.echo("> ", nl=False)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _begin(checkpoint: Path, shots: list[str], images: list[Path], *, beams: int, tokens: int) -> Any:
    """A conversation in which shots and pictures are put in already."""
    from m3w.trainer.evaluate.checkpoint import check_checkpoint
    from m3w.trainer.evaluate.media import UnreadableMediaError
    from m3w.trainer.generate import Conversation

    check_checkpoint(checkpoint)
    pairs = [_shot(shot) for shot in shots] + [(str(image), "") for image in images]
    for path, _ in pairs:
        if "://" not in path and not Path(path).is_file():
            raise InputError(f"{path} is not there, so there is nothing to look at; give a picture or video")
    conversation = Conversation.with_checkpoint(checkpoint, beams=beams, tokens=tokens)
    for path, text in pairs:
        try:
            conversation.show(path, text)
        except UnreadableMediaError as error:
            raise InputError(f"{error}; give a JPEG, PNG, GIF, WebP or a video") from error
    return conversation


def _shot(words: str) -> tuple[str, str]:
    image, equals, text = words.partition("=")
    if not equals or not image or not text:
        raise InputError(f"--shot {words!r} is no picture with its text, so it shows nothing; write IMAGE=TEXT")
    return image, text


def import_from(kind: str, checkpoint: Path, out: Path, **arguments: Any) -> None:
    """Import a checkpoint of another project; see `m3w.model.openflamingo.import_openflamingo`."""
    if kind != "openflamingo":
        raise InputError(f"{kind} is no kind of checkpoint that is known here; the one known is openflamingo")
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} is not there, so there is nothing to import; give OpenFlamingo's checkpoint.pt")
    from m3w.model.openflamingo import import_openflamingo

    try:
        import_openflamingo(checkpoint, out, **arguments)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from error


def describe_training(recipe: str, overrides: Sequence[str], *, gpus: int, gpu: str, mfu: float) -> str:
    """What a training would need and cost; RecipeError ends the command with status 2."""
    from m3w.trainer.cost.dry_run import describe as in_words
    from m3w.trainer.cost.dry_run import dry_run
    from m3w.trainer.recipe import load_recipe

    return "\n".join(in_words(dry_run(load_recipe(recipe, overrides), gpus=gpus, gpu=gpu, mfu=mfu)))
