"""A conversation with a model: a prompt that grows by pictures, by what the user says and by the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from m3w.trainer.evaluate.answers import generate_answers
from m3w.trainer.evaluate.inputs import Chunk, PixelCache, Prompt
from m3w.trainer.evaluate.loaded_model import LoadedModel, load_model
from m3w.trainer.evaluate.tasks.source import Media

FRAMES = 8
"""Frames of a video."""


@dataclass
class Conversation:
    """The pictures and texts so far. As in training on pages, a picture is `<|endofchunk|><image>`, then its text."""

    loaded: LoadedModel
    beams: int = 1
    tokens: int = 32
    """The most tokens of an answer."""
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def with_checkpoint(cls, folder: Path, *, beams: int = 1, tokens: int = 32) -> Conversation:
        """A conversation with the exported model in `folder`. Raises InputError if it cannot be loaded."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(load_model(folder, device), beams, tokens)

    def __post_init__(self) -> None:
        self.cache = PixelCache(self.loaded.processor, FRAMES)

    def show(self, path: str, text: str = "") -> None:
        """Add a picture or video, and a text about it. Raises UnreadableMediaError, and then adds nothing."""
        media = Media(path=path)
        self.cache.pixels(media)
        self.chunks.append(Chunk(media, text))

    def ask(self, text: str) -> str:
        """The model's continuation of everything so far and `text`; both stay for the next turn."""
        chunk = self.chunks.pop() if self.chunks else Chunk(None, "")
        question = f"{chunk.text} {text}".strip() if text else chunk.text
        chunks = (*self.chunks, Chunk(chunk.media, question))
        prompt = Prompt(chunks, starts_with_end_of_chunk=chunks[0].media is not None)
        row = self.loaded.row(prompt, self.cache.pixels)
        (answer,) = generate_answers(self.loaded, [row], max_new_tokens=self.tokens, beams=self.beams)
        self.chunks.append(Chunk(chunk.media, f"{question} {answer}".strip()))
        return answer

    def forget(self) -> None:
        """Remove all pictures and texts."""
        self.chunks.clear()
