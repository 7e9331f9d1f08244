"""Starts a training: in this process, in several of this machine by torchrun, or on a Ray cluster.

Nothing else here knows how it was started, and nothing else here imports Ray.
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
"""Times that Ray starts the workers again after one or its machine was lost, each from the newest checkpoint."""


def train(
    recipe_path: str,
    overrides: Sequence[str] = (),
    launcher: str = "torchrun",
    processes: int = 1,
    address: str | None = None,
) -> int:
    """Trains by the recipe at `recipe_path` in so many processes; returns the exit status.

    0: done. 2: the recipe, the dataset or an earlier checkpoint does not allow it; one line on stderr says why.
    1: the training broke off. 143: it was asked to stop by SIGTERM, and saved a checkpoint first.
    Where a launcher has already started this process as one of several (WORLD_SIZE is set), it trains as that one.
    `address` is of a Ray cluster; null: that of RAY_ADDRESS, or Ray on this machine.
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
    # A session of its own: a signal to the process group reaches torchrun once, from here.
    command = torchrun_command(recipe_path, overrides, processes)
    return _wait_for(subprocess.Popen(command, start_new_session=True))


def torchrun_command(recipe_path: str, overrides: Sequence[str], processes: int) -> list[str]:
    """The command that starts `processes` workers on this machine and ends all of them if one fails."""
    sets = [word for override in overrides for word in ("--set", override)]
    return [sys.executable, "-m", "m3w.trainer.torchrun", str(processes), recipe_path, *sets]


def _wait_for(process: subprocess.Popen[bytes]) -> int:
    """Its exit status; SIGTERM to this process is handed on, and waited out."""
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
        raise InputError(f"launcher {launcher!r} is none that starts a training; take one of {', '.join(LAUNCHERS)}")
    if processes < 1:
        raise InputError(f"{processes} processes cannot train; give 1 or more")


def _train_on_ray(recipe: Recipe, processes: int, address: str | None) -> int:
    """Ray Train: one worker a process, started again from the newest checkpoint where one is lost."""
    import ray
    from ray.exceptions import RayError

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A minute by default: on a busy machine torch and transformers take longer to load.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    if not ray.is_initialized():
        # without an address Ray would join whatever cluster was last started on this machine
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        ray.init(address=address, include_dashboard=False, logging_level=logging.ERROR)
    status = ray.remote(num_cpus=0)(_Status).remote()
    recipe = recipe.model_copy(update={"output": _absolute(recipe.output)})
    with tempfile.TemporaryDirectory() as notes, _handing_on_sigterm(status):
        try:
            _trainer(recipe, processes, status, notes).fit()
        except RayError as error:
            print(f"the training broke off on Ray: {' '.join(str(error).split())}", file=sys.stderr)
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
        # Both: gradients go by nccl, small things that lie on the CPU by gloo.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=gpus),
        # Checkpoints are the recipe's own; Ray's notes on the run are of no use after it.
        run_config=RunConfig(storage_path=notes, failure_config=FailureConfig(max_failures=RESTARTS)),
    )


def _ray_worker(config: dict[str, Any]) -> None:
    """One process of the training. An end that another start would not change is noted, not raised."""
    import ray

    from m3w.trainer.worker import FAILED, work

    if ray.get(config["status"].ended.remote()):
        return
    asked, over = threading.Event(), threading.Event()
    threading.Thread(target=_ask, args=(config["status"], asked, over), daemon=True).start()

    def note(ended: int) -> None:
        # At once: Ray starts all again when one of the workers goes, which the others may do before this one returns.
        if ended != FAILED:
            ray.get(config["status"].end.remote(ended))

    try:
        ended = work(Recipe.model_validate(config["recipe"]), asked, note)
    finally:
        over.set()
    if ended == FAILED:
        raise RuntimeError("the training broke off; what it said stands above")
    note(ended)


def _ask(status: Any, asked: threading.Event, over: threading.Event) -> None:
    import ray

    while not over.wait(1.0):
        if ray.get(status.stops.remote()):
            asked.set()
            return


@contextmanager
def _handing_on_sigterm(status: Any) -> Iterator[None]:
    """SIGTERM to this process asks the workers to save and leave."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python sets signal handlers in the main thread only
        return
    before = signal.signal(signal.SIGTERM, lambda *_: status.stop.remote() and None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _absolute(output: str) -> str:
    """Workers have working directories of their own."""
    return output if "://" in output else str(Path(output).absolute())


class _Status:
    """What the driver and its workers tell each other; an actor."""

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
