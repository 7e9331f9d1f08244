"""One example of a benchmark: a query, or a support that a query is shown before it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture, or a video or a segment of one, where it lies."""

    path: str
    """An fsspec path."""
    start: float | None = None
    end: float | None = None
    """Seconds of a video; None: from its beginning, to its end."""
    offset: int | None = None
    """Of a picture among others in one file: its first byte (CIFAR's binary files)."""
    content: bytes | None = None
    """The picture itself, where a table holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What is asked of one picture or video, and what may be answered."""

    key: str
    """Its name in the benchmark, alone in its set."""
    media: Media
    fields: dict[str, str]
    """What the prompt is filled with."""
    references: tuple[str, ...]
    """Right answers; several people's, or all captions."""
    answer: str
    """What a support says: one of the references."""
    choices: tuple[str, ...] = ()
    """The answers to rank, if the task is close-ended."""
    relevance: tuple[float, ...] = ()
    """Of each choice (VisDial)."""
    columns: dict[str, str] = field(default_factory=dict)
    """What else its record says: what metrics and reports group by."""
