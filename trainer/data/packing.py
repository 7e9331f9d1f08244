"""Packing: several documents in one row, without attention between them, so that a batch has less padding.

The number of documents in a row is fixed, so that what a batch slot gets is still a function of its position alone.
Their
windows share the row's tokens: short documents leave what they don't need to long ones, and no document is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m3w.model import Flamingo


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How rows are packed."""

    documents: int
    """Documents in each row."""
    tokens: int
    """Length of a row."""


def fair_shares(lengths: Sequence[int], tokens: int) -> list[int]:
    """The number of tokens that each document gets of a row: its length or, if all don't fit, an even share."""
    shares, left = [0] * len(lengths), tokens
    for turn, number in enumerate(sorted(range(len(lengths)), key=lambda number: lengths[number])):
        shares[number] = min(lengths[number], left // (len(lengths) - turn))
        left -= shares[number]
    return shares


PACKABLE = frozenset({"llama", "mistral", "qwen3", "gemma3_text", "olmo2", "phi", "opt", "gpt_neox", "gpt2", "mpt"})
"""Families of language models whose attention does not cross a return of the positions to 0 (`m3w.model.positions`). A
test compares each with the documents in separate rows. bloom is none: its ALiBi accepts a padding mask only."""


def check_packable(model: Flamingo) -> None:
    """Raises ValueError if a token of a packed row would attend to another document's tokens or images."""
    family = model.language_model.config.model_type
    if family not in PACKABLE:
        raise ValueError(
            f"a language model of the family {family} is not known to keep the documents of a packed row apart, so "
            f"text would attend to other documents; leave data.packing out, or use one of {', '.join(sorted(PACKABLE))}"
        )
    if model.config.attend != "one":
        raise ValueError(
            "with attend: all_previous text would attend to the images of earlier documents of its packed row; "
            "leave data.packing out"
        )
