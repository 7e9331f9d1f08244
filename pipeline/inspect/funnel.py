"""The funnel: the manifest's counters as steps, each with what entered, what was kept and why the rest was not.

Counters are named `UNIT`, `UNIT_dropped.REASON` and `UNIT_passed.KIND` by the stages, whose declarations say which
add up to which (`m3w.pipeline.engine.stage.Flow`). A drop that no declaration names becomes a step of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from m3w.pipeline.build import STAGES
from m3w.pipeline.engine.stage import Cause, Flow
from m3w.pipeline.inspect.figures import Exit, Step

Counts = Mapping[str, Mapping[str, int]]
DECLARED = {stage.name: stage for stage in STAGES}


def funnel(counts: Counts) -> list[Step]:
    """The steps whose stages are in `counts`, pages first, each track from the crawl to the dataset."""
    return [step for _, step in steps_by_unit(counts)]


def steps_by_unit(counts: Counts) -> list[tuple[str, Step]]:
    """As `funnel`, each step with the unit whose `UNIT_dropped.*` are its exits."""
    steps = [(flow.unit, _step(stage, flow, counts)) for stage, flow in _flows(counts)]
    return sorted(((unit, step) for unit, step in steps if step.entered), key=lambda pair: pair[1].track == "images")


def faults(counts: Counts) -> dict[str, int]:
    """What could not be read, by reason, over all stages; the most frequent first."""
    faults: dict[str, int] = {}
    for counters in counts.values():
        for name, count in counters.items():
            if name.startswith("faults."):
                reason = name.removeprefix("faults.")
                faults[reason] = faults.get(reason, 0) + count
    return dict(sorted(faults.items(), key=lambda item: (-item[1], item[0])))


def _step(stage: str, flow: Flow, counts: Counts) -> Step:
    counters = counts[stage]
    kept = counters.get(flow.kept, 0)
    exits = list(_exits(flow, counters))
    left = sum(count for _, _, count in exits)
    entered = kept + left
    if flow.entered is not None:
        of, name = (stage, flow.entered) if isinstance(flow.entered, str) else flow.entered
        entered = counts.get(of, {}).get(name, 0)
    return Step(
        track=flow.track,
        stage=stage,
        entered_as=flow.entered_as,
        entered=entered,
        kept_as=flow.kept_as,
        kept=kept,
        share=share(kept, entered),
        exits=[
            Exit(
                reason=reason,
                kind=kind,
                cause=cause_of(stage, reason, counts) if kind == "dropped" else None,
                count=count,
                share=share(count, entered),
            )
            for reason, kind, count in sorted(exits, key=lambda leaving: (-leaving[2], leaving[0]))
        ],
        unaccounted=entered - kept - left,
    )


def cause_of(stage: str, reason: str, counts: Counts) -> Cause:
    """What kind of thing a drop is: a rule, a copy, a status of the fetch, ...; a rule's name may be any word."""
    declared = DECLARED.get(stage)
    if declared is None:
        return "rule"
    if reason in declared.causes:
        return declared.causes[reason]
    if declared.carries is not None and any(
        name.partition("_dropped.")[2] == reason for name in counts.get(declared.carries, {})
    ):
        return DECLARED[declared.carries].cause
    return declared.cause


def _exits(flow: Flow, counters: Mapping[str, int]) -> Iterator[tuple[str, Literal["dropped", "passed"], int]]:
    for name, count in counters.items():
        group, _, reason = name.partition(".")
        if not count:
            continue
        if group == f"{flow.unit}_dropped":
            yield reason, "dropped", count
        elif group == f"{flow.unit}_passed":
            yield reason, "passed", count
        elif name in flow.also_passed:
            yield name, "passed", count


def _flows(counts: Counts) -> Iterator[tuple[str, Flow]]:
    """The declared flows of the stages in `counts`, and one for each unit that a stage drops without declaring it."""
    declared = [(stage.name, flow) for stage in DECLARED.values() if stage.name in counts for flow in stage.flows]
    yield from declared
    units = {(stage, flow.unit) for stage, flow in declared}
    for stage, counters in counts.items():
        for unit in sorted({name.split("_dropped.")[0] for name in counters if "_dropped." in name}):
            if (stage, unit) not in units:
                words = unit.replace("_", " ")
                track: Literal["pages", "images"] = "images" if "image" in unit else "pages"
                yield stage, Flow(track=track, unit=unit, entered_as=words, kept_as=f"{words} kept", kept=unit)


def share(part: int, whole: int) -> float:
    """A fraction of 1; 0 of nothing."""
    return round(part / whole, 6) if whole else 0.0
