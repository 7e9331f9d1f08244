"""Several documents in one row, without attention between them, so that less of a batch is padding.

How many stand in a row is fixed, so that what a lane sees is still a function of its position alone. Their windows
share the row's tokens: short documents leave what they do not need to long ones, and no document is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How rows are filled."""

    documents: int
    """In each row."""
    tokens: int
    """Length of a row."""


def fair_shares(lengths: Sequence[int], tokens: int) -> list[int]:
    """How many tokens of a row each document gets: all that it has or, where they do not fit, an even share."""
    shares, left = [0] * len(lengths), tokens
    for turn, number in enumerate(sorted(range(len(lengths)), key=lambda number: lengths[number])):
        shares[number] = min(lengths[number], left // (len(lengths) - turn))
        left -= shares[number]
    return shares
