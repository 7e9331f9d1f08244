"""Starts a training: in this process, in several on this machine by torchrun, or on a Ray cluster.

The rest of the trainer does not depend on the launcher and does not import Ray.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from m3w.recipes.errors import InputError
from m3w.trainer.recipe import Recipe, load_recipe

LAUNCHERS = ("torchrun", "ray")
RESTARTS = 3
"""Times that Ray restarts the workers, from the newest checkpoint, after one of them or its machine is lost."""


def train(
    recipe_path: str,
    overrides: Sequence[str] = (),
    launcher: str = "torchrun",
    processes: int = 1,
    address: str | None = None,
) -> int:
    """Runs the training of the recipe at `recipe_path` in `processes` processes; returns the exit status.

    0: done. 1: the training failed. 2: the recipe, the dataset or an earlier checkpoint is wrong; one line on stderr
    says why. 143: SIGTERM stopped it, after a checkpoint was saved.
    If a launcher has already started this process as one of several (WORLD_SIZE is set), it trains as that one.
    `address` is that of a Ray cluster; None uses RAY_ADDRESS, else Ray on this machine.
    """
    try:
        _check(launcher, processes)
        recipe = load_recipe(recipe_path, overrides)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if launcher == "ray":
        return _train_on_ray(recipe, processes, address)
    if processes == 1 or "WORLD_SIZE" in os.environ:
        from m3w.trainer.worker import work  # takes seconds: torch and transformers

        return work(recipe)
    # A new session: a signal to the process group reaches torchrun once, through this process.
    command = torchrun_command(recipe_path, overrides, processes)
    return _wait_for(subprocess.Popen(command, start_new_session=True))


def torchrun_command(recipe_path: str, overrides: Sequence[str], processes: int) -> list[str]:
    """The command that starts `processes` workers on this machine and ends all if one fails."""
    sets = [word for override in overrides for word in ("--set", override)]
    return [sys.executable, "-m", "m3w.trainer.torchrun", str(processes), recipe_path, *sets]


def _wait_for(process: subprocess.Popen[bytes]) -> int:
    """Waits for the process and returns its exit status; forwards SIGTERM to it."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate()) if main else None
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _check(launcher: str, processes: int) -> None:
    if launcher not in LAUNCHERS:
        raise InputError(f"launcher {launcher!r} cannot start a training; take one of {', '.join(LAUNCHERS)}")
    if processes < 1:
        raise InputError(f"{processes} processes cannot train; give 1 or more")


def _train_on_ray(recipe: Recipe, processes: int, address: str | None) -> int:
    """Runs one Ray Train worker per process; if one is lost, all restart from the newest checkpoint."""
    import ray
    from ray.exceptions import RayError

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # One minute by default; on a busy machine torch and transformers take longer to load.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    if not ray.is_initialized():
        # without an address Ray would join the cluster that was last started on this machine
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        ray.init(address=address, include_dashboard=False, logging_level=logging.ERROR)
    status = ray.remote(num_cpus=0)(_Status).remote()
    recipe = recipe.model_copy(update={"output": _absolute(recipe.output)})
    with tempfile.TemporaryDirectory() as notes, _forwarding_sigterm(status):
        try:
            _trainer(recipe, processes, status, notes).fit()
        except RayError as error:
            print(f"the training failed on Ray: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
    return int(ray.get(status.ended.remote()))


def _trainer(recipe: Recipe, processes: int, status: Any, notes: str) -> Any:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpus = ray.cluster_resources().get("GPU", 0) > 0
    return TorchTrainer(
        _ray_worker,
        train_loop_config={"recipe": recipe.model_dump(), "status": status},
        # Both: nccl for gradients, gloo for small objects on the CPU.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=gpus),
        # Checkpoints are ours; Ray's records of the run are useless after it.
        run_config=RunConfig(storage_path=notes, failure_config=FailureConfig(max_failures=RESTARTS)),
    )


def _ray_worker(config: dict[str, Any]) -> None:
    """One process of the training. An exit status that a restart would not change is recorded, not raised."""
    import ray

    from m3w.trainer.worker import FAILED, work

    if ray.get(config["status"].ended.remote()):
        return
    stop_requested, over = threading.Event(), threading.Event()
    threading.Thread(target=_watch_for_stop, args=(config["status"], stop_requested, over), daemon=True).start()

    def record(ended: int) -> None:
        # At once: Ray restarts all when one of the workers ends, and the others may end before this one returns.
        if ended != FAILED:
            ray.get(config["status"].end.remote(ended))

    try:
        ended = work(Recipe.model_validate(config["recipe"]), stop_requested, record)
    finally:
        over.set()
    if ended == FAILED:
        raise RuntimeError("the training failed; see its message above")
    record(ended)


def _watch_for_stop(status: Any, stop_requested: threading.Event, over: threading.Event) -> None:
    import ray

    while not over.wait(1.0):
        if ray.get(status.stops.remote()):
            stop_requested.set()
            return


@contextmanager
def _forwarding_sigterm(status: Any) -> Iterator[None]:
    """SIGTERM to this process asks the workers to save a checkpoint and end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python sets signal handlers in the main thread only
        return
    before = signal.signal(signal.SIGTERM, lambda *_: status.stop.remote() and None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _absolute(output: str) -> str:
    """The absolute path: workers have other working directories."""
    return output if "://" in output else str(Path(output).absolute())


class _Status:
    """State shared by the driver and its workers; an actor."""

    def __init__(self) -> None:
        self._ended, self._stops = 0, False

    def end(self, status: int) -> None:
        self._ended = status or self._ended

    def ended(self) -> int:
        return self._ended

    def stop(self) -> None:
        self._stops = True

    def stops(self) -> bool:
        return self._stops
