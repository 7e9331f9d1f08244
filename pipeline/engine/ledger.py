"""The ledger: one small JSON file for each committed part of a stage, and for each failed one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

FAULTS_IN_LEDGER = 1000
"""Faults of a part that its ledger entry lists, the first ones; `quarantine/` has all of them."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(_Entry):
    """One published file."""

    path: str
    """Relative to the run."""
    sha256: str
    bytes: int
    rows: int


class Fault(_Entry):
    """Something in the input that could not be read; the part continued after it."""

    path: str
    offset: int
    reason: str
    detail: str = ""
    url: str | None = None


class LedgerEntry(_Entry):
    """What one part of one stage has committed."""

    stage: str
    part: str
    fingerprint: str
    inputs: list[str]
    outputs: list[Output]
    counters: dict[str, int]
    faults: list[Fault] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    """What the plan of a later stage needs to know about this part, for example sizes."""
    seconds: float
    attempt: int


class FailedPart(_Entry):
    """A part that was set aside after its last attempt."""

    stage: str
    part: str
    inputs: list[str]
    attempts: int
    error: str
    traceback: str
