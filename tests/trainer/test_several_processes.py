"""Whole trainings, however they are spread, stopped and started again."""

import itertools
import json
import math
import os
import time
from functools import partial
from pathlib import Path

import fsspec
import pytest
import torch

from m3w.trainer import torchrun, update
from m3w.trainer.distributed.alarm import alarm
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.launch import train as launch
from m3w.trainer.metrics.journal import read_metrics
from m3w.trainer.preparation import prepare
from m3w.trainer.recipe import Recipe, load_recipe
from m3w.trainer.training import train
from m3w.trainer.worker import work

ALONE = Ranks(0, 1, torch.device("cpu"))


def curve(folder: Path) -> list[tuple[float, ...]]:
    """Loss, norm and a gate after each step, and the held-out losses of steps 4 and 8."""
    names = ("loss", "gradient_norm", "gate/000.attention_gate")
    lines = read_metrics(folder)
    held_out = tuple(line["held_out_loss"] for line in lines if line["step"] % 4 == 0)
    return [held_out, *(tuple(line[name] for name in names) for line in lines)]


def run(recipe: Recipe, ranks: Ranks) -> bool:
    return train(recipe, ranks)


def equal(found: list[tuple[float, ...]], expected: list[tuple[float, ...]]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


SPREAD = [
    (2, ["parallel.strategy=fsdp", "parallel.activation_checkpointing=true"]),
    pytest.param(4, ["parallel.strategy=hybrid", "parallel.shard_size=2"], marks=pytest.mark.slow),
    pytest.param(4, ["parallel.strategy=fsdp", "parallel.reduce_every_micro_batch=true"], marks=pytest.mark.slow),
    pytest.param(2, [], marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("count", "sets"), SPREAD)
def test_a_training_says_the_same_however_it_is_spread(recipe, spread, alone, tmp_path, count, sets):
    """Held-out batches, of which there are three, do not divide by the processes."""
    assert spread(count, partial(run, load_recipe(str(recipe), sets))) == [True] * count
    equal(curve(tmp_path / "out"), curve(alone))


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_checkpoint_is_gone_on_from_by_other_processes_and_strategies(recipe, spread, alone, tmp_path, count):
    start, middle = "parallel.strategy=fsdp", ["parallel.strategy=hybrid", "parallel.shard_size=2"]
    spread(2, partial(run, load_recipe(str(recipe), [start, "training.steps=3"])))
    run(load_recipe(str(recipe), ["training.steps=5"]), ALONE)
    spread(count, partial(run, load_recipe(str(recipe), middle)))
    equal(curve(tmp_path / "out"), curve(alone))


def test_an_output_at_a_url_is_gone_on_from_where_nothing_else_is_left(recipe, alone, tmp_path):
    url = f"memory://{tmp_path.name}"
    for steps in (5, 8):
        assert run(load_recipe(str(recipe), [f"output={url}", f"training.steps={steps}"]), ALONE)
    files = fsspec.filesystem("memory")
    files.get(f"{url}/metrics.jsonl", str(tmp_path / "metrics.jsonl"))
    assert curve(tmp_path) == curve(alone)
    assert files.exists(f"{url}/model/config.json") and files.exists(f"{url}/checkpoints/step-00000008/training.json")


def test_processes_that_cannot_share_the_batch_are_an_error_before_anything_is_read(recipe, spread):
    recipe_of_nothing = load_recipe(str(recipe), ["data.dataset=nowhere"])
    with pytest.raises(Exception, match=r"batch_size of 4 cannot be dealt to 3 processes evenly.*multiple of 3"):
        spread(3, partial(run, recipe_of_nothing))


def fail_on_one(ranks: Ranks) -> int:
    """Rank 1 fails, and does not go away, while rank 0 waits for it in C++."""
    with alarm(ranks) as others:
        if ranks.rank == 1:
            others.ring(2, "the dataset of rank 1 is gone")
            time.sleep(60)
        ranks.wait()
        return 0


def test_an_error_on_one_process_ends_one_that_waits_for_it(spread, capfd):
    with pytest.raises(Exception, match="exit code 2"):
        spread(2, fail_on_one)
    assert capfd.readouterr().err.count("the dataset of rank 1 is gone") == 1


def lose_on_one(recipe: Path) -> int:
    """Rank 1 computes infinity for the third step's loss, with gradients as ever."""
    if os.environ["RANK"] == "1":
        real, seen = update.loss_sum, itertools.count(1)
        update.loss_sum = lambda model, batch: real(model, batch) + (math.inf if next(seen) == 5 else 0.0)
    return work(load_recipe(str(recipe)))


def test_a_loss_that_is_not_finite_on_one_process_ends_both_and_names_its_samples(recipe, launch, tmp_path, capfd):
    """The third of steps with two micro-batches a process; what came before is kept."""
    assert launch(2, partial(lose_on_one, recipe)) == [1, 1]
    (file,) = (tmp_path / "out").glob("non-finite-*")
    error = capfd.readouterr().err
    assert error.count("the loss is not finite on rank 1 of 2 at step 3") == error.count(str(file)) == 1
    assert file.name == "non-finite-step-00000003-rank-00001.json"
    training = prepare(load_recipe(str(recipe), [f"output={tmp_path / 'again'}"]), ALONE)[0]
    micro_batches = list(training.mixture.steps(0, 3, 0))[2][0].batches
    assert json.loads(file.read_text()) == {"interleaved": [batch.keys for batch in micro_batches[2:]]}
    assert [line["step"] for line in read_metrics(tmp_path / "out")] == [1, 2]


PLANTED = """
import os, sys
from m3w.trainer import training
from m3w.trainer.checkpoint import store
from m3w.trainer.data import batch_slots
if os.environ.get("RANK") == "1":
    if sys.argv[1] == "worker":
        def broken(self, position, skipped): raise ValueError("planted in a loader's worker")
        batch_slots.BatchSlotDataset._usable_sample = broken
    elif sys.argv[1] == "forward":
        def broken(*given, **named): raise RuntimeError("planted in the forward pass")
        training.update = broken
    else:
        def broken(*given): raise OSError("planted in the checkpoint")
        store.LocalStore.write = broken
sys.argv = ["worker", *sys.argv[2:]]
from m3w.trainer.worker import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("where", "status"), [("worker", 2), ("forward", 1), ("checkpoint", 1)])
def test_an_error_on_one_of_two_ends_both_with_its_message(recipe, tmp_path, capfd, monkeypatch, where, status):
    """In a loader's worker, in the model, in a checkpoint; under torchrun."""
    script = tmp_path / "planted.py"
    script.write_text(PLANTED)
    words = [str(recipe), "--set", "data.workers=1"]
    monkeypatch.setattr(torchrun, "WORKER", [str(script), where])
    assert torchrun.launch(2, words) == status
    error = capfd.readouterr().err
    planted = {"worker": "a loader's worker", "forward": "the forward pass", "checkpoint": "the checkpoint"}[where]
    assert f"planted in {planted}" in error


@pytest.mark.slow
def test_bad_input_under_torchrun_is_one_line_and_status_two(recipe, capfd):
    assert launch(str(recipe), ["training.batch_size=999", "training.micro_batch_size=1"], processes=3) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and "fewer than a batch of 999" in error
