"""Ray Train on this machine: the same training, the same statuses."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from m3w.trainer.launch import train
from m3w.trainer.metrics.journal import read_metrics
from m3w.trainer.recipe import load_recipe

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


def tiny(folder: Path, dataset: Path) -> Path:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    fields = {
        "seed": 5,
        "output": str(folder / "out"),
        "model": {
            "tokenizer": {"vocabulary": 300},
            "image_size": 32,
            "language_model": {
                "frozen": False,
                "config": {"model_type": "llama", **sizes, "num_key_value_heads": 2},
            },
            "vision_encoder": {
                "config": {"model_type": "clip_vision_model", **sizes, "image_size": 32, "patch_size": 16}
            },
            "architecture": {"head_dim": 16, "resampler_layers": 1, "resampler_latents": 4, "resampler_heads": 2},
        },
        "data": {"dataset": str(dataset), "tokens": 48, "workers": 0},
        "training": {"steps": 6, "batch_size": 4, "micro_batch_size": 2},
        "checkpoints": {"every": 2},
        "validation": {"every": 6, "batches": 2, "batch_size": 4},
        "log": {"every": 1, "tensorboard": False},
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def m3w(recipe: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "m3w", "train", str(recipe), "--launcher", "ray", "--processes", "2"]
    command += ["--address", "local", *words]  # not one that other tests have started
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(folder)]


def wait_for_lines(folder: Path, lines: int, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 180
    while len(read_metrics(folder)) < lines:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)


def test_on_ray_the_losses_are_those_of_torchrun(tmp_path, shapes_dataset):
    recipe = tiny(tmp_path, shapes_dataset)
    assert m3w(recipe).wait(300) == 0
    assert train(str(recipe), [f"output={tmp_path / 'torchrun'}"], processes=2) == 0
    assert losses(tmp_path / "out") == pytest.approx(losses(tmp_path / "torchrun"), rel=1e-6)
    assert (tmp_path / "out" / "model" / "config.json").exists()


def test_wrong_input_on_ray_is_one_line_and_status_two_and_is_not_tried_again(tmp_path, shapes_dataset):
    process = m3w(tiny(tmp_path, shapes_dataset), "--set", "training.batch_size=999")
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 2
    assert said.count("cannot be dealt to 2 processes") == 1, said


def test_a_worker_that_is_killed_on_ray_costs_what_followed_the_newest_checkpoint(tmp_path, shapes_dataset):
    recipe = tiny(tmp_path, shapes_dataset)
    load_recipe(str(recipe))
    long = ("--set", "training.steps=60", "--set", "checkpoints.every=5")
    process = m3w(recipe, *long)
    wait_for_lines(tmp_path / "out", 12, process)
    workers = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    mine = [int(line.split()[0]) for line in workers.splitlines() if "ray::" in line and "RayTrainWorker" in line]
    children = [pid for pid in mine if str(process.pid) in ancestors(pid)]
    os.kill(children[0], signal.SIGKILL)
    assert process.wait(300) == 0
    assert [line["step"] for line in read_metrics(tmp_path / "out")] == list(range(1, 61))


def test_sigterm_on_ray_saves_and_leaves(tmp_path, shapes_dataset):
    process = m3w(tiny(tmp_path, shapes_dataset), "--set", "training.steps=100000")
    wait_for_lines(tmp_path / "out", 5, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 143
    assert list((tmp_path / "out" / "checkpoints").glob("step-*"))


def ancestors(pid: int) -> set[str]:
    """Of a process, by /proc."""
    found = set()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.add(str(pid))
    return found
