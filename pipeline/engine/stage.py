"""What the executor works off: stages, and the parts of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Part:
    """One unit of a stage's work."""

    name: str
    inputs: list[str]
    """What it reads, for the ledger; a part whose inputs changed is redone."""
    work: dict[str, Any] = field(default_factory=dict)
    """What the stage's function needs to know besides; a function of the inputs."""
    owner: str | None = None
    """Of the parts of one owner at most one runs at a time: what they own, a group of hosts, has one task at a time."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Processes that stay up from part to part, for a stage whose start is dear: models are loaded once."""

    actors: int
    gpus: float
    """Of each actor."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a run."""

    name: str
    fingerprint: str
    """Changes whenever the stage's results could: see `m3w.pipeline.recipe.STAGE_FIELDS`."""
    process: Callable[[Attempt, Part, Recipe], None]
    """Reads the part's inputs, writes and counts on the attempt. A pure function, but for `fetch`."""
    keeps: bool = False
    """What an earlier recipe or input made stays until `Executor.forget`: the new parts take over from it."""
    pool: Pool | None = None
    """Parts go to the actors of this pool; None for a task each."""
