"""The contract of a scorer: a class that takes images, each with the texts beside it, and gives numbers.

The recipe names the class and its options; each scoring process creates one instance and calls it with one batch at a
time. Its numbers are image signals like the others, so `rules.image` can have rules on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from m3w.recipes.class_path import check_class_path, load_class_path

if TYPE_CHECKING:
    from PIL import Image

    from m3w.pipeline.images.section import ScorerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInContext:
    """An image and the texts beside it in its document; None where there is none."""

    picture: Image.Image
    """RGB, as a viewer shows it: first frame, upright, on white. The shorter side has at most 448 pixels."""
    alt: str | None
    caption: str | None
    before: str | None
    """The nearest text before the image, whole."""
    after: str | None


class Scorer(Protocol):
    """The protocol of a class that a recipe names; its options are the keyword arguments of the constructor."""

    def __call__(self, images: Sequence[ImageInContext]) -> Sequence[Sequence[float]]:
        """For each image, one number per signal of the scorer, in their order; NaN where there is none."""


def load_scorer(entry: ScorerEntry) -> Scorer:
    """The scorer that a recipe's entry names, ready to be called."""
    scorer: Scorer = load_class_path(entry.class_path, entry.options)
    return scorer


def check_scorers(scorers: dict[str, ScorerEntry]) -> None:
    """Raise `InputError` for a class whose module is not there; none is imported."""
    for name, entry in scorers.items():
        check_class_path(
            entry.class_path,
            f"scores.scorers.{name}.class_path",
            "nothing would be scored",
            "m3w.pipeline.images.clip.ClipSimilarity",
        )


def finite_or_none(value: Any) -> float | None:
    """A score as stored, rounded to 4 decimals; None if it is NaN or infinite."""
    number = float(value)
    return round(number, 4) if math.isfinite(number) else None
