"""The funnel: the manifest's counters as steps, each with what entered, what was kept and why the rest was not.

Counters are named `UNIT`, `UNIT_dropped.REASON` and `UNIT_passed.KIND` by the stages; the module docstrings of
`pipeline.stages` say which add up to which. A drop that no step below names becomes a step of its own, so a new
stage shows up here by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from m3w.pipeline.inspect.causes import cause_of
from m3w.pipeline.inspect.figures import Exit, Step

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Where a step's numbers stand in the manifest's counters."""

    stage: str
    unit: str
    """Exits are the stage's counters `UNIT_dropped.*` and `UNIT_passed.*`."""
    entered_as: str
    entered: tuple[str, str] | None = None
    """Stage and counter; None where only the step itself knows: what it kept and what left."""
    kept_as: str
    kept: str
    also_passed: tuple[str, ...] = ()
    """Whole counters of the stage that count what passes to another track."""
    track: Literal["pages", "images"] = "pages"


PLAN = (
    _Plan(
        stage="extract",
        unit="records",
        entered_as="records",
        entered=("extract", "records"),
        kept_as="responses",
        kept="responses",
    ),
    _Plan(
        stage="extract",
        unit="responses",
        entered_as="responses",
        entered=("extract", "responses"),
        kept_as="pages",
        kept="pages",
        also_passed=("images_in_archive",),
    ),
    _Plan(
        stage="extract",
        unit="pages",
        entered_as="pages",
        entered=("extract", "pages"),
        kept_as="documents",
        kept="documents",
    ),
    _Plan(
        stage="filter",
        unit="documents",
        entered_as="documents extracted",
        entered=("extract", "documents"),
        kept_as="documents within the rules",
        kept="documents",
    ),
    _Plan(
        stage="filter",
        unit="text_nodes",
        entered_as="texts of documents that the rules on nodes saw",
        kept_as="texts within the rules",
        kept="text_nodes",
    ),
    _Plan(
        stage="unique",
        unit="documents",
        entered_as="documents within the rules",
        entered=("filter", "documents"),
        kept_as="unique documents",
        kept="documents",
    ),
    _Plan(
        stage="join",
        unit="documents",
        entered_as="unique documents",
        entered=("unique", "documents"),
        kept_as="documents with an image",
        kept="documents",
    ),
    _Plan(
        track="images",
        stage="extract",
        unit="image_references",
        entered_as="image references on pages",
        kept_as="image references in documents",
        kept="image_references",
    ),
    _Plan(
        track="images",
        stage="filter",
        unit="image_references",
        entered_as="image references of documents that the rules on nodes saw",
        kept_as="image references within the rules",
        kept="image_references",
    ),
    _Plan(
        track="images",
        stage="fetch",
        unit="image_urls",
        entered_as="image URLs",
        entered=("fetch", "image_urls"),
        kept_as="images fetched",
        kept="images",
    ),
    _Plan(
        track="images",
        stage="join",
        unit="image_references",
        entered_as="image references of unique documents",
        kept_as="images in the dataset",
        kept="images",
    ),
    _Plan(
        track="images",
        stage="assemble",
        unit="sequence_images",
        entered_as="images in the dataset",
        entered=("assemble", "images"),
        kept_as="images in sequences",
        kept="sequence_images",
    ),
)


def funnel(counts: Counts) -> list[Step]:
    """The steps whose stages are in `counts`, pages first, each track from the crawl to the dataset."""
    return [step for _, step in steps_by_unit(counts)]


def steps_by_unit(counts: Counts) -> list[tuple[str, Step]]:
    """As `funnel`, each step with the unit whose `UNIT_dropped.*` are its exits."""
    plans = [plan for plan in (*PLAN, *_unplanned(counts)) if plan.stage in counts]
    steps = [(plan.unit, _step(plan, counts)) for plan in plans]
    return sorted(((unit, step) for unit, step in steps if step.entered), key=lambda pair: pair[1].track == "images")


def faults(counts: Counts) -> dict[str, int]:
    """What could not be read, by reason, over all stages; the most frequent first."""
    found: dict[str, int] = {}
    for counters in counts.values():
        for name, count in counters.items():
            if name.startswith("faults."):
                reason = name.removeprefix("faults.")
                found[reason] = found.get(reason, 0) + count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _step(plan: _Plan, counts: Counts) -> Step:
    counters = counts[plan.stage]
    statuses = frozenset(
        name.partition(".")[2] for name in counts.get("fetch", {}) if name.startswith("image_urls_dropped.")
    )
    kept = counters.get(plan.kept, 0)
    exits = list(_exits(plan, counters))
    left = sum(count for _, _, count in exits)
    entered = kept + left
    if plan.entered is not None:
        stage, name = plan.entered
        entered = counts.get(stage, {}).get(name, 0)
    return Step(
        track=plan.track,
        stage=plan.stage,
        entered_as=plan.entered_as,
        entered=entered,
        kept_as=plan.kept_as,
        kept=kept,
        share=share(kept, entered),
        exits=[
            Exit(
                reason=reason,
                kind=kind,
                cause=cause_of(plan.stage, reason, statuses) if kind == "dropped" else None,
                count=count,
                share=share(count, entered),
            )
            for reason, kind, count in sorted(exits, key=lambda found: (-found[2], found[0]))
        ],
        unaccounted=entered - kept - left,
    )


def _exits(plan: _Plan, counters: Mapping[str, int]) -> Iterator[tuple[str, Literal["dropped", "passed"], int]]:
    for name, count in counters.items():
        group, _, reason = name.partition(".")
        if not count:
            continue
        if group == f"{plan.unit}_dropped":
            yield reason, "dropped", count
        elif group == f"{plan.unit}_passed":
            yield reason, "passed", count
        elif name in plan.also_passed:
            yield name, "passed", count


def _unplanned(counts: Counts) -> Iterator[_Plan]:
    """A step for each unit that a stage drops and `PLAN` does not know."""
    planned = {(plan.stage, plan.unit) for plan in PLAN}
    for stage, counters in counts.items():
        units = {name.split("_dropped.")[0] for name in counters if "_dropped." in name}
        for unit in sorted(units):
            if (stage, unit) not in planned:
                word = unit.replace("_", " ")
                track: Literal["pages", "images"] = "images" if "image" in unit else "pages"
                yield _Plan(track=track, stage=stage, unit=unit, entered_as=word, kept_as=f"{word} kept", kept=unit)


def share(part: int, whole: int) -> float:
    """A fraction of 1; 0 of nothing."""
    return round(part / whole, 6) if whole else 0.0
