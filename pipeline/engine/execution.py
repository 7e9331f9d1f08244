"""The section `execution`: how a run is worked off. Nothing in it changes the result."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from m3w.recipes.section import Section

MIB = 2**20


class StageNeeds(Section):
    """What a part of one stage asks for; null for what all stages ask for."""

    cpus: float | None = Field(None, gt=0)
    memory_mib: int | None = Field(None, ge=64)


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What Ray is asked for, for each part of a stage."""

    cpus: float
    memory_bytes: int


class Execution(Section):
    """How a run is worked off; nothing here changes its result."""

    cpus_per_part: float = Field(1.0, gt=0)
    memory_mib_per_part: int = Field(1024, ge=64)
    stages: dict[str, StageNeeds] = Field(default_factory=dict)
    """Stages whose parts ask for something else. A grouping asks for it for each of its tasks."""
    attempts: int = Field(3, ge=1)
    """A part that failed this often by an error of its own is set aside."""
    deaths: int = Field(10, ge=1)
    """A part whose process or machine ended under it this often is set aside: spot machines are taken back, and that
    is no fault of a part."""
    pause_s: float = Field(5.0, ge=0)
    """Before a part is tried again after the store or the network failed; four times as long each further time."""
    max_failed_parts: int = Field(0, ge=0)
    """A stage with more set aside ends the run with status 1; with no more, the next stage goes on without them."""
    driver_timeout_s: float = Field(60.0, ge=1)
    """A build that gave no sign of life for so long is taken for dead by another on the same run."""

    def of(self, stage: str) -> Needs:
        """What a part of `stage` asks for."""
        own = self.stages.get(stage, StageNeeds())
        cpus = self.cpus_per_part if own.cpus is None else own.cpus
        memory_mib = self.memory_mib_per_part if own.memory_mib is None else own.memory_mib
        return Needs(cpus=cpus, memory_bytes=memory_mib * MIB)
