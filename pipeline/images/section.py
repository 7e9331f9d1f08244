"""The recipe's sections `images` and `scores`: how images are stored and scored."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.filters.signals.registry import SignalName
from m3w.recipes.class_path import ClassPath
from m3w.recipes.section import Section


class Images(Section):
    """How fetched images are stored. An image is never enlarged."""

    size: Literal["keep", "longest_side", "shortest_side"] = "keep"
    """`keep`: as fetched. Otherwise images are resized so that this side has at most `pixels`."""
    pixels: int | None = Field(None, ge=16)
    quality: int = Field(95, ge=1, le=100)
    """JPEG quality of images that are encoded again because they are resized or rotated."""
    forbidden: list[NamedFile] = []
    """Lists of images that must not be stored: one SHA-256 or perceptual hash (64 or 16 hex digits) per line."""
    forbidden_distance: int = Field(0, ge=0, le=16)
    """An image matches a listed perceptual hash if it differs in at most this many bits."""

    @model_validator(mode="after")
    def _size_and_pixels(self) -> Self:
        if self.size != "keep" and self.pixels is None:
            raise ValueError(
                f"images.size is {self.size}, but images.pixels is not set, so the size is not known; set it, for "
                "example to 512"
            )
        if self.size == "keep" and self.pixels is not None:
            raise ValueError(
                f"images.pixels is {self.pixels}, but images.size is keep, so it would have no effect; set images.size "
                "to longest_side or shortest_side, or remove images.pixels"
            )
        return self


class ScorerEntry(Section):
    """One scorer; see `m3w.pipeline.images.scorers`."""

    class_path: ClassPath
    """`package.module.Class`; only the scoring processes import it."""
    options: dict[str, Any] = {}
    """Keyword arguments of the class."""
    signals: list[SignalName] = []
    """Names of the numbers that it returns, in order; an empty list means one signal with the scorer's name."""


class Scores(Section):
    """Signals of images that need model weights; the stage runs only if there is a scorer."""

    scorers: dict[SignalName, ScorerEntry] = {}
    """Scorers by name."""
    actors: int = Field(1, ge=1)
    """Processes that stay up, each with all scorers loaded."""
    gpus: float = Field(0, ge=0)
    """GPUs per actor, which sees no others."""
    batch: int = Field(32, ge=1)
    """Images per call of a scorer."""

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
                    f"scores.scorers defines the signal {signal}, which exists already, so a rule on it would be "
                    "ambiguous; give the scorer or its signals another name"
                )
            seen.add(signal)
        return self
