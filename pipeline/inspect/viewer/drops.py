"""What was dropped, as JSON: every reason with its count, and the samples that the run has kept of it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from m3w.pipeline.engine.drops import Drop
from m3w.pipeline.inspect.dropped import Examples, dropped_examples
from m3w.pipeline.inspect.figures import Exit, Step
from m3w.pipeline.inspect.folder import DatasetFolder
from m3w.pipeline.inspect.funnel import funnel
from m3w.pipeline.inspect.report_drops import threshold

SAMPLES = 50
"""Of each reason."""
KINDS_OF_UNIT = {
    "pages": ("response",),
    "documents": ("page", "document"),
    "text": ("text",),
    "image references": ("image_reference", "image"),
    "images": ("image",),
}
"""Kinds of samples by what a step leads to."""


def drops(folder: DatasetFolder) -> list[dict[str, Any]]:
    """The reasons in the order of the funnel, each with its samples."""
    examples = dropped_examples(folder, SAMPLES)
    steps = funnel(folder.manifest.counts)
    return [_group(step, each, examples) for step in steps for each in step.exits if each.kind == "dropped"]


def _group(step: Step, reason: Exit, examples: Examples) -> dict[str, Any]:
    kinds = next((kinds for unit, kinds in KINDS_OF_UNIT.items() if step.kept_as.startswith(unit)), ("document",))
    found = [drop for kind in kinds for drop in examples.get((kind, reason.reason), [])]
    return {
        "reason": reason.reason,
        "cause": reason.cause,
        "count": reason.count,
        "share": reason.share,
        "step": step.kept_as,
        "examples": [_sample(drop) for drop in found],
    }


def _sample(drop: Drop) -> dict[str, Any]:
    value = drop.value if drop.value is not None and math.isfinite(drop.value) else None
    return {**asdict(drop), "value": value, "threshold": threshold(drop)}
