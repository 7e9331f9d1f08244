"""Whole trainings of a tiny Flamingo, from scratch, in one process and in several."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import webdataset
import yaml

from m3w.model import Flamingo, FlamingoProcessor
from m3w.trainer.generate import caption, look_test
from m3w.trainer.launch import train
from m3w.trainer.metrics.journal import METRICS_FILE, read_metrics

TINY = {
    "seed": 5,
    "model": {
        "tokenizer": {"vocabulary": 300},
        "image_size": 32,
        "open_gates": 0.5,
        "language_model": {
            "frozen": False,
            "config": {
                "model_type": "llama",
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "intermediate_size": 32,
                "attention_dropout": 0.1,
            },
        },
        "vision_encoder": {
            "frozen": False,
            "config": {
                "model_type": "clip_vision_model",
                "hidden_size": 32,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "image_size": 32,
                "patch_size": 16,
            },
        },
        "architecture": {"head_dim": 16, "resampler_layers": 1, "resampler_latents": 4, "resampler_heads": 2},
    },
    "data": {"tokens": 48, "workers": 0},
    "optimizer": {"learning_rate": 0.003, "warmup_steps": 4},
    "training": {"steps": 8, "batch_size": 4, "micro_batch_size": 2},
    "checkpoints": {"every": 3},
    "validation": {"every": 4, "batches": 2, "batch_size": 4},
    "log": {"every": 1, "tensorboard": False},
}


@pytest.fixture
def recipe(tmp_path: Path, shapes_dataset: Path) -> Path:
    fields = {**TINY, "output": str(tmp_path / "out"), "data": {**TINY["data"], "dataset": str(shapes_dataset)}}
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_metrics(folder)]


def test_a_training_ends_with_a_model_that_loads_and_captions(recipe, tmp_path, make_png, shapes_dataset):
    assert train(str(recipe)) == 0
    folder = tmp_path / "out"
    assert [step for step, _ in losses(folder)] == list(range(1, 9))
    last = read_metrics(folder)[-1]
    assert last["loss"] < losses(folder)[0][1]
    assert {"held_out_loss", "look", "gradient_norm", "loader_wait", "tokens_per_second"} <= set(last)
    assert sum(name.startswith("gate/") for name in last) == 4
    assert last["skipped/undecodable_image"] == 0
    exported = folder / "model"
    assert isinstance(Flamingo.from_pretrained(exported), Flamingo)
    assert FlamingoProcessor.from_pretrained(exported).image_size == 32
    assert isinstance(caption(exported, make_png(), "A", max_new_tokens=3), str)
    assert look_test(exported, str(shapes_dataset), batches=1, batch_size=4).right > 0
    assert train(str(recipe)) == 0
    assert len(losses(folder)) == 8, "a training that is done does nothing again"


def test_a_stop_and_a_resume_give_the_losses_and_weights_of_an_unbroken_run_bit_for_bit(recipe, tmp_path):
    assert train(str(recipe), [f"output={tmp_path / 'whole'}"]) == 0
    broken = [f"output={tmp_path / 'broken'}"]
    assert train(str(recipe), [*broken, "training.steps=5"]) == 0
    assert train(str(recipe), broken) == 0
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    one, other = (Flamingo.from_pretrained(tmp_path / name / "model").state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def with_pairs(recipe: Path, tmp_path: Path, make_png) -> Path:
    """The recipe with two sets of pairs, one of videos, and packed rows of a second dataset beside its own."""
    for name in ("laion", "coyo"):
        with webdataset.TarWriter(str(tmp_path / f"{name}-0.tar")) as writer:
            for number, (colour, shape) in enumerate(product(("red", "blue", "green"), ("square", "circle"))):
                text = f"{name}: a {colour} {shape}"
                writer.write({"__key__": f"{number:05d}", "png": make_png(colour, shape), "txt": text})
    with webdataset.TarWriter(str(tmp_path / "clips-0.tar")) as writer:
        for number in range(3):
            writer.write({"__key__": f"{number:05d}", "mp4": clip(100 * number), "txt": f"clip {number}"})
    fields = yaml.safe_load(recipe.read_text())
    shards = {
        name: {"shards": [str(tmp_path / f"{name}-*.tar")], "batch_size": 2} for name in ("laion", "coyo", "clips")
    }
    packed = {"batch_size": 2, "tokens": 32, "packing": {"documents": 2, "tokens": 40}}
    further = {
        "interleaved": {"packed": {"dataset": fields["data"]["dataset"], **packed}},
        "videos": {"clips": {**shards.pop("clips"), "frames": 2}},
        "pairs": shards,
    }
    recipe.write_text(yaml.safe_dump({**fields, **further}))
    return recipe


def clip(shade: int) -> bytes:
    """Three seconds of one grey."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize("take_turns", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_training_on_a_mixture_resumes_bit_for_bit(with_pairs, tmp_path, take_turns):
    turns = f"training.take_turns={take_turns}"
    assert train(str(with_pairs), [f"output={tmp_path / 'whole'}", turns]) == 0
    broken = [f"output={tmp_path / 'broken'}", turns]
    assert train(str(with_pairs), [*broken, "training.steps=5"]) == 0
    assert train(str(with_pairs), broken) == 0
    sources = ("loss", "loss/packed", "loss/coyo", "loss/laion", "loss/clips")
    wanted = (*sources, "gradient_norm")
    whole, other = (
        [{name: line[name] for name in wanted if name in line} for line in read_metrics(tmp_path / folder)]
        for folder in ("whole", "broken")
    )
    assert whole == other
    named = [set(line) - {"gradient_norm"} for line in whole]
    if take_turns:
        assert named == [{sources[step % 5]} for step in range(8)]
    else:
        assert named == [set(sources)] * 8


def test_other_pairs_than_the_checkpoints_are_an_error(with_pairs, tmp_path, capsys):
    assert train(str(with_pairs), ["training.steps=3"]) == 0
    assert train(str(with_pairs), ["pairs.laion.batch_size=4"]) == 2
    assert "pairs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["pairs.laion.shards=[nowhere/*.tar]", "pairs.laion.batch_size=2"], "no file matches nowhere"),
        (["training.batch_size=999", "training.micro_batch_size=1"], "24 training samples, fewer than a batch of 999"),
        (["data.dataset=nowhere"], "nowhere does not exist; give the folder of a dataset or of a run"),
        (["training.stepz=3"], "training.stepz"),
    ],
)
def test_what_the_user_can_put_right_is_one_line_and_status_two(recipe, capsys, overrides, named):
    assert train(str(recipe), overrides) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_a_checkpoint_of_another_model_is_refused(recipe, capsys):
    assert train(str(recipe), ["training.steps=2"]) == 0
    assert train(str(recipe), ["model.architecture.resampler_latents=5"]) == 2
    assert "another `output`" in capsys.readouterr().err


def test_a_page_that_says_image_in_words_has_no_image_more(tmp_path, make_dataset, make_png, recipe):
    samples = [["an <image> tag and <|endofchunk|>", make_png(), "text"]] * 6
    folder = make_dataset(tmp_path / "words", {"train": [samples]})
    assert train(str(recipe), [f"data.dataset={folder}", "training.steps=2"]) == 0


def test_a_training_on_pages_without_any_image_goes_on(tmp_path, make_dataset, recipe):
    folder = make_dataset(tmp_path / "blind", {"train": [[[f"text number {i}"] for i in range(6)]]})
    assert train(str(recipe), [f"data.dataset={folder}", "training.steps=2"]) == 0


@pytest.mark.slow
def test_processes_share_the_work_and_change_no_loss(recipe, tmp_path):
    """gloo, 1, 2 and 4 processes; dropout off, since each process draws its own."""
    for count in (1, 2, 4):
        sets = [f"output={tmp_path / str(count)}", "model.language_model.config.attention_dropout=0.0"]
        assert train(str(recipe), sets, processes=count) == 0
    alone = losses(tmp_path / "1")
    for count in (2, 4):
        together = losses(tmp_path / str(count))
        assert [step for step, _ in together] == [step for step, _ in alone]
        for (_, ours), (_, theirs) in zip(alone, together, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-5)


@pytest.mark.slow
def test_processes_share_a_mixture_and_change_no_loss(with_pairs, tmp_path):
    for count in (1, 2):
        sets = [f"output={tmp_path / str(count)}", "model.language_model.config.attention_dropout=0.0"]
        assert train(str(with_pairs), sets, processes=count) == 0
    for ours, theirs in zip(*(read_metrics(tmp_path / str(count)) for count in (1, 2)), strict=True):
        for name in ("loss", "loss/laion", "loss/coyo"):
            assert theirs[name] == pytest.approx(ours[name], rel=1e-5)


@pytest.mark.slow
def test_sigterm_saves_a_checkpoint_and_leaves(recipe, tmp_path):
    sets = [f"output={tmp_path / 'asked'}", "training.steps=100000", "checkpoints.every=100000", "data.workers=1"]
    process = start(recipe, sets)
    wait_for_lines(tmp_path / "asked", 3, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    (checkpoint,) = (tmp_path / "asked" / "checkpoints").glob("step-*")
    assert json.loads((checkpoint / "training.json").read_text())["step"] == losses(tmp_path / "asked")[-1][0]


def start(recipe: Path, overrides: list[str]) -> "subprocess.Popen[bytes]":
    sets = [word for override in overrides for word in ("--set", override)]
    command = [sys.executable, "-m", "m3w.trainer.worker", str(recipe), *sets]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)


def wait_for_lines(folder: Path, lines: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 120
    while not (folder / METRICS_FILE).exists() or len(read_metrics(folder)) < lines:
        assert process.poll() is None, "the training ended by itself"
        assert time.monotonic() < until
        time.sleep(0.02)
