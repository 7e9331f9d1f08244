"""Windows: the tokens of a sequence that one training step sees, with phi (arXiv 2204.14198, appendix A.3.1).

A sequence is tokenized as `<BOS>` (if the tokenizer has one), then its nodes in order, with `<|endofchunk|>` before
every `<image>` tag, and `<|endofchunk|><EOS>` at the end of its document. A window is a run of those tokens.

Deviation: a window with too many images ends before the first excess one, so that image i of a window is always the
i-th tag of its text; the paper keeps the later tags.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BETWEEN_TEXTS = "\n\n"
"""Separates two consecutive text nodes, so that the words on either side stay apart."""

IGNORED = -100
"""The label of a token without loss: torch's `ignore_index`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """Ids of the tokens that mark images, chunks and texts."""

    image: int
    end_of_chunk: int
    end_of_text: int
    beginning_of_text: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """L tokens and the images that they attend to. All lists have length L."""

    input_ids: list[int]
    labels: list[int]
    """`input_ids`, or `IGNORED` at tokens without loss; not shifted."""
    phi: list[int]
    """The image, from 1, that each token attends to; 0: none."""
    images: range
    """Numbers, in the sequence, of the window's images, in the order of its tags."""


def tokenize_nodes(
    texts: Sequence[str | None], tokenize: Callable[[str], list[int]], special: SpecialTokens, *, ends: bool = True
) -> list[int]:
    """Token ids of a sequence with the nodes `texts`, None for an image. `ends`: it is the last of its document."""
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
    """A window of at most `tokens` tokens and `images` images, from a start drawn evenly.

    With probability `p_next`, drawn once, the text attends to the next image and not to the previous one.
    With `start_at_image` the start is the `<|endofchunk|>` before an image, so that short windows hold what a pair of
    image and text would. It has no effect on a sequence without an image.
    """
    tags = [position for position, token in enumerate(ids) if token == special.image] if start_at_image else []
    start = max(0, draw.choice(tags) - 1) if tags else draw.randint(0, max(0, len(ids) - tokens))
    attend_next = draw.random() < p_next
    return cut_window(ids, special, start=start, tokens=tokens, images=images, attend_next=attend_next)


def cut_window(
    ids: Sequence[int], special: SpecialTokens, *, start: int, tokens: int, images: int, attend_next: bool
) -> Window:
    """The window of at most `tokens` tokens and `images` images from token `start` on."""
    window = list(ids[start : start + tokens])
    tags = [position for position, token in enumerate(window) if token == special.image]
    if len(tags) > images:
        window = window[: tags[images]]
        tags = tags[:images]
    first = sum(token == special.image for token in ids[:start])
    return Window(
        input_ids=window,
        labels=[IGNORED if token == special.image else token for token in window],
        phi=_phi(window, special.image, attend_next=attend_next),
        images=range(first, first + len(tags)),
    )


def _phi(window: Sequence[int], image: int, *, attend_next: bool) -> list[int]:
    import torch  # here, as m3w.model loads transformers, too: `m3w view` starts without waiting for them

    from m3w.model.phi import next_image, previous_image

    is_image = torch.tensor([window], dtype=torch.long) == image
    phi: list[int] = (next_image if attend_next else previous_image)(is_image)[0].tolist()
    return phi
