"""An exported model, loaded with everything that turns prompts into its tokens and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from m3w.model import Flamingo, FlamingoProcessor
from m3w.recipes.errors import InputError
from m3w.trainer.build import special_tokens
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.evaluate.inputs import Prompt, Row, answer_ids
from m3w.trainer.evaluate.tasks.source import Media
from m3w.trainer.tokenizer import Tokenize

FINGERPRINTED_BYTES = 1 << 20
"""A fingerprint reads so many bytes at either end of a file of weights, and its length."""


@dataclass(frozen=True)
class LoadedModel:
    """A model and its processor."""

    model: Flamingo
    processor: FlamingoProcessor

    @cached_property
    def special(self) -> SpecialTokens:
        return special_tokens(self.processor)

    @cached_property
    def tokenize(self) -> Tokenize:
        return Tokenize(self.processor.tokenizer)

    @property
    def padding(self) -> int:
        """Id of the padding token."""
        return int(self.processor.tokenizer.pad_token_id)

    def row(self, prompt: Prompt, pixels: Callable[[Media], Tensor]) -> Row:
        """The prompt as the model takes it; `pixels` gives the frames_T3SS of a picture or video."""
        return Row(prompt.encode(self.tokenize, self.special), [pixels(media) for media in prompt.media])

    def answer_ids(self, prompt: Prompt, answer: str) -> list[int]:
        """The tokens of `answer` as the continuation of `prompt`."""
        return answer_ids(prompt.chunks[-1].text, answer, self.tokenize)


def check_model_folder(folder: Path) -> None:
    """Raises InputError unless `folder` holds a model and its processor."""
    if not (folder / "config.json").is_file():
        inside = folder / "model"
        hint = f"; did you mean {inside}?" if (inside / "config.json").is_file() else ""
        raise InputError(
            f"{folder} has no config.json, so there is no model to ask; give the `model` folder of a training or of an "
            f"import{hint}"
        )
    if not (folder / "processor_config.json").is_file():
        raise InputError(
            f"{folder} holds a model without its processor (processor_config.json), so text cannot be turned into "
            "tokens; save a model.FlamingoProcessor to the same folder"
        )


def load_model(folder: Path, device: torch.device | None = None) -> LoadedModel:
    """The exported model in `folder`, in evaluation mode on `device` (by default the CPU). Raises InputError."""
    check_model_folder(folder)
    try:
        model = Flamingo.from_pretrained(folder).eval().to(device or "cpu")
        processor = FlamingoProcessor.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} cannot be loaded ({' '.join(str(error).split())}); export it again") from error
    return LoadedModel(model, processor)


def fingerprint(folder: Path) -> str:
    """SHA-256 (hex) of the JSON files in `folder` and of the length and both ends of its weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".safetensors"):
            digest.update(f"{path.name} {path.stat().st_size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(FINGERPRINTED_BYTES))
                file.seek(max(0, path.stat().st_size - FINGERPRINTED_BYTES))
                digest.update(file.read(FINGERPRINTED_BYTES))
    return digest.hexdigest()
