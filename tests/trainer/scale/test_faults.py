"""SIGKILL at any moment: the training goes on as if it had never been (levanter's crash test, many times over)."""

import os
import random
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from trainer.journal import read_metrics
from trainer.ranks import Ranks
from trainer.recipe import Recipe, load_recipe
from trainer.training import train


def go_on(recipe: Recipe) -> None:
    torch.set_num_threads(1)
    train(recipe, Ranks(0, 1, torch.device("cpu")))


def seconds_alive(recipe: Recipe, limit: float | None) -> bool:
    """Whether the training ended by itself before it was killed after `limit` seconds."""
    process = get_context("fork").Process(target=go_on, args=(recipe,))  # torch is loaded: a start takes no time
    process.start()
    process.join(limit)
    if process.is_alive():
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    return process.exitcode == 0


def curve(recipe: Recipe) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["gradient_norm"]) for line in read_metrics(Path(recipe.output))]


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_a_training_killed_again_and_again_equals_the_unbroken_one_bit_for_bit(recipe, tmp_path, kills):
    """At moments drawn from the whole of a run: while it is prepared, computes, writes or publishes a checkpoint."""
    steps_of_it = 40 if kills > 5 else 16
    sets = [f"training.steps={steps_of_it}", "checkpoints.every=2", "checkpoints.keep=2", "validation.every=100"]
    whole = load_recipe(str(recipe), [*sets, f"output={tmp_path / 'whole'}"])
    since = time.monotonic()
    assert seconds_alive(whole, None)
    length, draw = time.monotonic() - since, random.Random(kills)
    killed = load_recipe(str(recipe), [*sets, f"output={tmp_path / 'killed'}"])
    done, steps = 0, set()
    while done < kills:
        # A run that has ended is begun anew, so that there is something to kill.
        ended = seconds_alive(killed, draw.uniform(0.1, 0.6) * length)
        done += not ended
        steps.add(len(curve(killed)))
        if ended:
            assert curve(killed) == curve(whole)
            (tmp_path / "killed").rename(tmp_path / f"ended-{done}")
    assert seconds_alive(killed, None)
    assert curve(killed) == curve(whole)
    assert len(steps) > 1, "killed at one moment only"
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*"))
