"""What a recipe says on signals of images that need weights."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pipeline.images.signals import IMAGE_SIGNALS
from pipeline.recipe.section import Section

SignalName = Annotated[str, Field(pattern=r"^\w+$")]


class ScorerEntry(Section):
    """One scorer; see `pipeline.scorers.scorer`."""

    class_path: Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
    """`package.module.Class`; only the processes that score import it."""
    options: dict[str, Any] = {}
    """Given to the class as keyword arguments."""
    signals: list[SignalName] = []
    """Names of the numbers that it gives, in its order; an empty list is one signal under the scorer's own name."""


class Scores(Section):
    """Signals of images that need weights: off until there is a scorer."""

    scorers: dict[SignalName, ScorerEntry] = {}
    actors: int = Field(1, ge=1)
    """Processes that stay up, each with all scorers loaded."""
    gpus: float = Field(0, ge=0)
    """Of each actor; Ray shows it no others."""
    batch: int = Field(32, ge=1)
    """Images that a scorer is given at once."""

    @property
    def signals(self) -> list[str]:
        """All scorers' signals, in order."""
        return [signal for name, scorer in self.scorers.items() for signal in scorer.signals or [name]]

    @model_validator(mode="after")
    def _each_signal_once(self) -> Self:
        seen = set(IMAGE_SIGNALS)
        for signal in self.signals:
            if signal in seen:
                raise ValueError(
                    f"scores.scorers gives the signal {signal}, which there is already, so a rule on it would be "
                    "ambiguous; give the scorer another name, or its signals others"
                )
            seen.add(signal)
        return self
