"""Pictures and texts in turn, as a person puts them in: a prompt that grows by what is asked and what is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from m3w.trainer.evaluate.answering import answer
from m3w.trainer.evaluate.checkpoint import Asked, open_checkpoint
from m3w.trainer.evaluate.example import Media
from m3w.trainer.evaluate.pictures import Pictures
from m3w.trainer.evaluate.prompt import Chunk, Prompt
from m3w.trainer.evaluate.rows import Row

FRAMES = 8
"""Of a video."""


@dataclass
class Conversation:
    """What has been shown and said. Pictures stand where training on pages puts them: `<|endofchunk|><image>`, text."""

    asked: Asked
    beams: int = 1
    tokens: int = 32
    """The most of an answer."""
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def with_checkpoint(cls, folder: Path, *, beams: int = 1, tokens: int = 32) -> Conversation:
        """Of the exported model in `folder`. Raises InputError if it cannot be loaded."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(open_checkpoint(folder, device), beams, tokens)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.asked.processor, FRAMES)

    def show(self, path: str, text: str = "") -> None:
        """Put a picture or video in, and a text on it. Raises UnreadableMediaError, and then nothing is put in."""
        media = Media(path=path)
        self.pictures.pixels(media)
        self.chunks.append(Chunk(media, text))

    def ask(self, text: str) -> str:
        """What the model says behind all before and `text`; both stay for the next turn."""
        chunk = self.chunks.pop() if self.chunks else Chunk(None, "")
        before = f"{chunk.text} {text}".strip() if text else chunk.text
        chunks = (*self.chunks, Chunk(chunk.media, before))
        prompt = Prompt(chunks, starts_with_end_of_chunk=chunks[0].media is not None)
        row = Row(prompt.encode(self.asked.tokenize, self.asked.special), [*map(self.pictures.pixels, prompt.media)])
        tokenizer, special = self.asked.processor.tokenizer, self.asked.special
        (said,) = answer(
            self.asked.model,
            tokenizer,
            special,
            [row],
            max_new_tokens=self.tokens,
            beams=self.beams,
            length_penalty=1.0,
        )
        self.chunks.append(Chunk(chunk.media, f"{before} {said}".strip()))
        return said

    def forget(self) -> None:
        """Begin anew."""
        self.chunks.clear()
