"""The recipe's section `execution`: how a run uses the cluster. Nothing in it changes the result."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from m3w.recipes.section import Section

MIB = 2**20


class StageNeeds(Section):
    """What a part of one stage requests from Ray; null: as for all stages."""

    cpus: float | None = Field(None, gt=0)
    memory_mib: int | None = Field(None, ge=64)


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What each part of a stage requests from Ray."""

    cpus: float
    memory_bytes: int


class Execution(Section):
    """How a run uses the cluster; nothing here changes its result."""

    cpus_per_part: float = Field(1.0, gt=0)
    memory_mib_per_part: int = Field(1024, ge=64)
    stages: dict[str, StageNeeds] = Field(default_factory=dict)
    """Stages whose parts need something else. A grouping requests it for each of its tasks."""
    attempts: int = Field(3, ge=1)
    """A part that fails this many times with an error of its own is set aside."""
    deaths: int = Field(10, ge=1)
    """A part whose process or machine dies this many times is set aside. The limit is higher than `attempts` because
    a spot machine that is taken back is not the part's fault."""
    pause_s: float = Field(5.0, ge=0)
    """Seconds before a part is retried after an error of the store or the network; four times as long each further
    time."""
    max_failed_parts: int = Field(0, ge=0)
    """If a stage has more failed parts, the run ends with status 1; otherwise the next stage continues without them."""
    driver_timeout_s: float = Field(60.0, ge=1)
    """Seconds without a heartbeat after which another build on the same run considers this one dead."""

    def of(self, stage: str) -> Needs:
        """What a part of `stage` requests."""
        own = self.stages.get(stage, StageNeeds())
        cpus = self.cpus_per_part if own.cpus is None else own.cpus
        memory_mib = self.memory_mib_per_part if own.memory_mib is None else own.memory_mib
        return Needs(cpus=cpus, memory_bytes=memory_mib * MIB)
