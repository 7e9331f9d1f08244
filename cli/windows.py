"""Training windows for the viewer: the tokens of a sequence that a training step sees, and which image each sees."""

from __future__ import annotations

import re
from collections.abc import Callable

from m3w.pipeline.inspect.tokens import open_tokenizer
from m3w.pipeline.inspect.viewer import CutWindow, ShownWindow
from m3w.trainer.data.windows import IGNORED, SpecialTokens, cut_window, tokenize_nodes

IMAGES = 5
SPECIAL = SpecialTokens(image=-1, end_of_chunk=-2, end_of_text=-3)
"""Placeholders for the model's special tokens, which not every tokenizer has; nothing here depends on their values."""
NAMES = {SPECIAL.image: "<image>", SPECIAL.end_of_chunk: "<|endofchunk|>", SPECIAL.end_of_text: "<EOS>"}
WORDS = "words and punctuation, as no --tokenizer is given"
_PIECE = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")


def window_cutter(tokenizer: str | None) -> CutWindow:
    """A function that cuts the viewer's windows; without a tokenizer every word counts as a token.

    Raises `InputError` for a tokenizer that cannot be read.
    """
    tokenize, piece = _words() if tokenizer is None else _tokens(tokenizer)
    name = WORDS if tokenizer is None else tokenizer

    def cut(texts: list[str | None], ends: bool, start: int, tokens: int, attend_next: bool) -> ShownWindow:
        ids = tokenize_nodes(texts, tokenize, SPECIAL, ends=ends)
        start = min(start, max(0, len(ids) - 1))
        window = cut_window(ids, SPECIAL, start=start, tokens=tokens, images=IMAGES, attend_next=attend_next)
        return ShownWindow(
            pieces=[NAMES.get(token) or piece(token) for token in window.input_ids],
            phi=list(window.phi),
            masked=[label == IGNORED for label in window.labels],
            first_image=window.images.start,
            start=start,
            total=len(ids),
            tokenizer=name,
        )

    return cut


Tokenize = Callable[[str], list[int]]
Piece = Callable[[int], str]


def _tokens(path: str) -> tuple[Tokenize, Piece]:
    tokenizer = open_tokenizer(path)

    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def piece(token: int) -> str:
        return str(tokenizer.decode([token], skip_special_tokens=False))

    return tokenize, piece


def _words() -> tuple[Tokenize, Piece]:
    """A tokenizer that assigns each new word the next id."""
    ids: dict[str, int] = {}
    pieces: list[str] = []

    def tokenize(text: str) -> list[int]:
        words = _PIECE.findall(text)
        for word in words:
            if word not in ids:
                ids[word] = len(pieces)
                pieces.append(word)
        return [ids[word] for word in words]

    return tokenize, pieces.__getitem__
