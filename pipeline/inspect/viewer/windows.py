"""What the viewer shows of training windows. The trainer cuts them; `cli` hands its function here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ShownWindow:
    """A window of a sequence, token by token. All lists are as long as each other."""

    pieces: list[str]
    """What each token stands for."""
    phi: list[int]
    """The image of the window, from 1, that each token attends to; 0: none."""
    masked: list[bool]
    """Tokens without loss."""
    first_image: int
    """Which of the sequence's images is the window's first."""
    start: int
    total: int
    """Tokens of the whole sequence."""
    tokenizer: str
    """What the tokens are of, in words."""


CutWindow = Callable[[list[str | None], bool, int, int, bool], ShownWindow]
"""Texts of a sequence (None where an image stands), whether its document ends with it, the first token, the most
tokens, and whether text attends to the next image: the window."""
