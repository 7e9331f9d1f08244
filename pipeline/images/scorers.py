"""The contract of a scorer: a class that takes images, each with the texts beside it, and gives numbers.

The recipe names the class and its options; a process that scores makes one instance of it and calls it with a batch
at a time. Its numbers are image signals like the others, so a rule of `rules.image` can ask for a range of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from m3w.recipes.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from m3w.pipeline.images.section import ScorerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInContext:
    """An image and the texts of its document that are beside it; None where there is none."""

    picture: Image.Image
    """RGB, as a viewer shows it: first frame, turned, on white. The shorter side has at most 448 pixels."""
    alt: str | None
    caption: str | None
    before: str | None
    """The nearest text before the image, whole."""
    after: str | None


class Scorer(Protocol):
    """What a class that a recipe names must be. Its options are its constructor's keyword arguments."""

    def __call__(self, images: Sequence[ImageInContext]) -> Sequence[Sequence[float]]:
        """For each image one number for each of the scorer's signals, in their order; NaN where it has none to give."""


def load_scorer(entry: ScorerEntry) -> Scorer:
    """The scorer that a recipe's entry names, ready to be called."""
    module, _, name = entry.class_path.rpartition(".")
    scorer: Scorer = getattr(importlib.import_module(module), name)(**entry.options)
    return scorer


def check_scorers(scorers: dict[str, ScorerEntry]) -> None:
    """Raises `InputError` for a class whose module is not there, without importing it."""
    for name, entry in scorers.items():
        module = entry.class_path.rpartition(".")[0]
        if not _is_there(module):
            raise InputError(
                f"scores.scorers.{name}.class_path = {entry.class_path}: there is no module {module}, so nothing would "
                "be scored; name a class that can be imported, such as m3w.pipeline.images.clip.ClipSimilarity"
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def finite_or_none(value: Any) -> float | None:
    """A score as it is stored, to 4 decimals; None for one that is no number."""
    number = float(value)
    return round(number, 4) if math.isfinite(number) else None
