"""What the commands over models call: their errors are the user's, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import InputError


def describe(checkpoint: Path, image: Path, text: str) -> str:
    """What the exported model in `checkpoint` says of the picture in the file `image` after `text`."""
    for path, what in ((checkpoint / "config.json", "an exported model"), (image, "a picture")):
        if not path.is_file():
            raise InputError(f"{path} is not there, so there is nothing to read; give {what}")
    if not (checkpoint / "processor_config.json").is_file():
        raise InputError(
            f"{checkpoint} holds a model without its processor (processor_config.json), so text cannot be turned into "
            "tokens; save a model.FlamingoProcessor to the same folder"
        )
    from trainer.data.images import UndecodableImageError
    from trainer.generate import caption

    try:
        return f"{text} {caption(checkpoint, image.read_bytes(), text)}".strip()
    except UndecodableImageError as error:
        raise InputError(
            f"{image} is no picture that can be decoded ({error}); give a JPEG, PNG, GIF or WebP"
        ) from error


def import_from(kind: str, checkpoint: Path, out: Path, **arguments: Any) -> None:
    """Import a checkpoint of another project; see `model.openflamingo.import_openflamingo`."""
    if kind != "openflamingo":
        raise InputError(f"{kind} is no kind of checkpoint that is known here; the one known is openflamingo")
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} is not there, so there is nothing to import; give OpenFlamingo's checkpoint.pt")
    from model.openflamingo import import_openflamingo

    try:
        import_openflamingo(checkpoint, out, **arguments)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from error
