"""Errors to exit statuses."""

from __future__ import annotations

import os
import sys

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

STATUS_OF_ERROR = {
    ("m3w.recipes.errors", "InputError"): WRONG_INPUT,
    ("m3w.schemas.manifest", "DatasetError"): WRONG_INPUT,
    ("m3w.trainer.recipe.section", "RecipeError"): WRONG_INPUT,
    ("m3w.trainer.evaluate.example", "EvaluationError"): WRONG_INPUT,
    ("m3w.pipeline.engine.executor", "StageFailed"): FAILED,
    ("m3w.pipeline.engine.retrying", "StoreFailed"): FAILED,
    ("m3w.pipeline.engine.run", "ClaimLost"): FAILED,
    ("m3w.pipeline.engine.ray_start", "RayFailed"): FAILED,
}
"""By name, so that no module is imported for an error that nobody raised."""


def exit_status(error: BaseException) -> int:
    """The status that `error` ends the command with, after its one line; an error of ours is raised again."""
    if isinstance(error, KeyboardInterrupt):
        print("m3w: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # whoever read our output, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    for kind in type(error).__mro__:
        if (kind.__module__, kind.__name__) in STATUS_OF_ERROR:
            print(f"m3w: {' '.join(str(error).split())}", file=sys.stderr)
            return STATUS_OF_ERROR[kind.__module__, kind.__name__]
    raise error
