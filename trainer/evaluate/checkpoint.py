"""The model that is asked, and its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from m3w.model import Flamingo, FlamingoProcessor
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.evaluate.example import EvaluationError
from m3w.trainer.setup.build import special_tokens
from m3w.trainer.setup.tokenizer import Tokenize

SAMPLED = 1 << 20
"""Bytes at either end of a file of weights that its fingerprint reads, beside its length."""


@dataclass(frozen=True)
class Asked:
    """A model with what turns prompts into its tokens and back."""

    model: Flamingo
    processor: FlamingoProcessor
    special: SpecialTokens
    tokenize: Tokenize
    fingerprint: str


def check_checkpoint(folder: Path) -> None:
    """Raises EvaluationError unless `folder` holds a model and its processor."""
    if not (folder / "config.json").is_file():
        inside = folder / "model"
        hint = f"; did you mean {inside}?" if (inside / "config.json").is_file() else ""
        raise EvaluationError(
            f"{folder} has no config.json, so there is no model to ask; give the `model` folder of a training or of an "
            f"import{hint}"
        )
    if not (folder / "processor_config.json").is_file():
        raise EvaluationError(
            f"{folder} holds a model without its processor (processor_config.json), so text cannot be turned into "
            "tokens; save a model.FlamingoProcessor to the same folder"
        )


def open_checkpoint(folder: Path, device: torch.device) -> Asked:
    """The exported model in `folder`, in evaluation mode on `device`. Raises EvaluationError."""
    check_checkpoint(folder)
    try:
        model = Flamingo.from_pretrained(folder).eval().to(device)
        processor = FlamingoProcessor.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise EvaluationError(f"{folder} cannot be loaded ({' '.join(str(error).split())}); export it again") from error
    return Asked(model, processor, special_tokens(processor), Tokenize(processor.tokenizer), fingerprint(folder))


def fingerprint(folder: Path) -> str:
    """Of the files in `folder`: small ones whole, of weights the length and both ends."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".safetensors"):
            digest.update(f"{path.name} {path.stat().st_size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(SAMPLED))
                file.seek(max(0, path.stat().st_size - SAMPLED))
                digest.update(file.read(SAMPLED))
    return digest.hexdigest()
