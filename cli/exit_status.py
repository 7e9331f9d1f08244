"""The exit status of each error."""

from __future__ import annotations

import os
import sys

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

STATUS_OF_ERROR = {
    ("m3w.recipes.errors", "InputError"): WRONG_INPUT,
    ("m3w.schemas.manifest", "DatasetError"): WRONG_INPUT,
    ("m3w.pipeline.engine.stage", "StageFailed"): FAILED,
    ("m3w.pipeline.engine.retrying", "StoreFailed"): FAILED,
    ("m3w.pipeline.engine.run", "LockLost"): FAILED,
    ("m3w.pipeline.engine.ray_start", "RayFailed"): FAILED,
}
"""By module and name, so that no module is imported for an error that was not raised."""


def exit_status(error: BaseException) -> int:
    """Print `error` in one line and return its exit status. An unknown error, a bug, is raised again."""
    if isinstance(error, KeyboardInterrupt):
        print("m3w: interrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader of our output, `head` for example, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    for kind in type(error).__mro__:
        if (kind.__module__, kind.__name__) in STATUS_OF_ERROR:
            print(f"m3w: {' '.join(str(error).split())}", file=sys.stderr)
            return STATUS_OF_ERROR[kind.__module__, kind.__name__]
    raise error
