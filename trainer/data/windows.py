"""A window: the tokens of a sequence that one training step sees, with phi (arXiv 2204.14198, appendix A.3.1).

A sequence becomes tokens so: `<BOS>` (if the tokenizer has one), then its nodes in order, `<|endofchunk|>`
before every `<image>` tag, and `<|endofchunk|><EOS>` where its document ends. A window is a run of those tokens.

Deviation. A window with more images than it may have ends before the first too many, so that image i of a
window is the i-th tag of its text, always; the paper keeps the later tags.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BETWEEN_TEXTS = "\n\n"
"""Stands between two text nodes that follow each other, so that a paragraph's last word stays one."""

IGNORED = -100
"""The label of a token without loss: torch's `ignore_index`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """Token ids that mark where things stand."""

    image: int
    end_of_chunk: int
    end_of_text: int
    beginning_of_text: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """L tokens and what they see. All lists have length L."""

    input_ids: list[int]
    labels: list[int]
    """`input_ids`, or `IGNORED` where nothing is to be learnt; not shifted."""
    phi: list[int]
    """The image, from 1, that each token attends to; 0: none."""
    images: range
    """Which of the sequence's images the window shows, in the order of its tags."""


def tokenize_nodes(
    texts: Sequence[str | None], tokenize: Callable[[str], list[int]], special: SpecialTokens, *, ends: bool = True
) -> list[int]:
    """Token ids of a sequence whose nodes are `texts`, None where an image stands; `ends`: its document ends there."""
    ids = [] if special.beginning_of_text is None else [special.beginning_of_text]
    follows_text = False
    for text in texts:
        if text is None:
            ids += [special.end_of_chunk, special.image]
        else:
            ids += tokenize(BETWEEN_TEXTS + text if follows_text else text)
        follows_text = text is not None
    return [*ids, special.end_of_chunk, special.end_of_text] if ends else ids


def draw_window(
    ids: Sequence[int],
    special: SpecialTokens,
    draw: random.Random,
    *,
    tokens: int = 256,
    images: int = 5,
    p_next: float = 0.5,
    start_at_image: bool = False,
) -> Window:
    """A window of at most `tokens` tokens, from a place drawn evenly, with at most `images` images.

    With probability `p_next`, drawn once, the text attends to the next image and not to the previous one.
    With `start_at_image` the place is that of an image, its `<|endofchunk|>` first: short windows then hold what
    pairs of image and text would. A sequence without an image is drawn from as without it.
    """
    tags = [place for place, token in enumerate(ids) if token == special.image] if start_at_image else []
    start = max(0, draw.choice(tags) - 1) if tags else draw.randint(0, max(0, len(ids) - tokens))
    attend_next = draw.random() < p_next
    return cut_window(ids, special, start=start, tokens=tokens, images=images, attend_next=attend_next)


def cut_window(
    ids: Sequence[int], special: SpecialTokens, *, start: int, tokens: int, images: int, attend_next: bool
) -> Window:
    """The window of at most `tokens` tokens and `images` images from token `start` on."""
    window = list(ids[start : start + tokens])
    tags = [place for place, token in enumerate(window) if token == special.image]
    if len(tags) > images:
        window = window[: tags[images]]
        tags = tags[:images]
    first = sum(token == special.image for token in ids[:start])
    return Window(
        input_ids=window,
        labels=[IGNORED if token == special.image else token for token in window],
        phi=next_image(tags, len(window)) if attend_next else previous_image(tags, len(window)),
        images=range(first, first + len(tags)),
    )


def previous_image(tags: Sequence[int], length: int) -> list[int]:
    """phi by the last tag at or before each of `length` tokens; 0 before the first. `tags`: their places."""
    phi, seen = [], 0
    for place in range(length):
        seen += seen < len(tags) and tags[seen] == place
        phi.append(seen)
    return phi


def next_image(tags: Sequence[int], length: int) -> list[int]:
    """phi by the first tag at or after each of `length` tokens; 0 after the last. A tag attends to its own image."""
    phi, passed = [], 0
    for place in range(length):
        phi.append(passed + 1 if passed < len(tags) else 0)
        passed += passed < len(tags) and tags[passed] == place
    return phi
