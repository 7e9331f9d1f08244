"""torchrun on this machine with our exit statuses: `python -m m3w.trainer.torchrun PROCESSES RECIPE [--set ...]`.

`torchrun` itself ends with status 1 and its own traceback, whatever the exit statuses of its processes.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import fields
from uuid import uuid4

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from m3w.trainer.worker import FAILED, STOPPED

WORKER = ["-m", "m3w.trainer.worker"]
SHUTDOWN_SECONDS = 600
"""Time that processes have, after SIGTERM, to save a checkpoint and end."""


def launch(processes: int, words: list[str]) -> int:
    """Runs the workers, ends all if one fails, and returns the exit status of the first to fail."""
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the workers report their errors
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.2,
    )
    if "shutdown_timeout" in {field.name for field in fields(config)}:  # torch 2.13; 30 s before
        config.shutdown_timeout = SHUTDOWN_SECONDS
    try:
        elastic_launch(config, sys.executable)(*WORKER, *words)
    except ChildFailedError as error:
        statuses = {failure.exitcode for failure in error.failures.values()}
        positive = sorted(status for status in statuses if status > 0)
        return positive[-1] if positive else FAILED
    except SignalException:
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(launch(int(sys.argv[1]), sys.argv[2:]))
