"""SIGKILL at any moment: the training goes on as if it had never been (levanter's crash test, many times over)."""

import os
import random
import signal
import time
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest
import torch

from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.metrics.journal import read_metrics
from m3w.trainer.recipe import Recipe, load_recipe
from m3w.trainer.training import train

ALONE = Ranks(0, 1, torch.device("cpu"))


def go_on(recipe: Recipe) -> None:
    torch.set_num_threads(1)
    train(recipe, ALONE)


def start(recipe: Recipe) -> ForkProcess:
    process = get_context("fork").Process(target=go_on, args=(recipe,))  # torch is loaded: a start takes no time
    process.start()
    return process


def ended_by_itself(recipe: Recipe, updates: int, then: float) -> bool:
    """Goes on with a training, and kills it `then` seconds after so many more updates, unless it has ended before."""
    process, folder = start(recipe), Path(recipe.output)
    before = len(read_metrics(folder))
    while process.is_alive() and len(read_metrics(folder)) < before + updates:
        time.sleep(0.02)
    process.join(then)
    if process.is_alive():
        os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def curve(recipe: Recipe) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in read_metrics(Path(recipe.output))]


@pytest.mark.parametrize(("kills", "steps"), [(3, 12), pytest.param(50, 40, marks=pytest.mark.slow)])
def test_a_training_killed_again_and_again_equals_the_unbroken_one_bit_for_bit(recipe, tmp_path, kills, steps):
    """At moments drawn from the whole of a run: while it is prepared, computes, writes or publishes a checkpoint."""
    sets = [f"training.steps={steps}", "checkpoints.every=2", "checkpoints.keep=2", "validation.every=100"]
    whole = load_recipe(str(recipe), [*sets, f"output={tmp_path / 'whole'}"])
    since = time.monotonic()
    start(whole).join()
    an_update, draw = (time.monotonic() - since) / (steps + 3), random.Random(kills)
    killed = load_recipe(str(recipe), [*sets, f"output={tmp_path / 'killed'}"])
    done, ended, moments = 0, 0, set()
    while done < kills:
        if ended_by_itself(killed, draw.randint(0, 4), draw.uniform(0, 2) * an_update):
            # Begun anew, so that there is something to kill.
            assert curve(killed) == curve(whole)
            (tmp_path / "killed").rename(tmp_path / f"ended-{ended}")
            ended += 1
        else:
            done += 1
            moments.add(len(curve(killed)))
    train(killed, ALONE)
    assert curve(killed) == curve(whole) and len(curve(whole)) == steps
    assert len(moments) > 1, "killed at one moment only"
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*"))
