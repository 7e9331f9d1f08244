"""The smallest training there is, and what it says in one process."""

from pathlib import Path

import pytest
import torch
import yaml

from m3w.trainer.ranks import Ranks
from m3w.trainer.recipe import load_recipe
from m3w.trainer.training import train


def write_recipe(folder: Path, dataset: Path) -> Path:
    """Eight updates of a Flamingo from scratch; no dropout, of which each process draws its own."""
    text = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 32}
    vision = {"model_type": "clip_vision_model", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32}
    heads = {"num_attention_heads": 2}
    fields = {
        "seed": 5,
        "output": str(folder / "out"),
        "model": {
            "tokenizer": {"vocabulary": 300},
            "image_size": 32,
            "open_gates": 0.5,
            "language_model": {"frozen": False, "config": {**text, **heads, "num_key_value_heads": 2}},
            "vision_encoder": {"frozen": False, "config": {**vision, **heads, "image_size": 32, "patch_size": 16}},
            "architecture": {"head_dim": 16, "resampler_layers": 1, "resampler_latents": 4, "resampler_heads": 2},
        },
        "data": {"dataset": str(dataset), "tokens": 48, "workers": 0},
        "optimizer": {"learning_rate": 0.003, "warmup_steps": 4},
        "training": {"steps": 8, "batch_size": 4, "micro_batch_size": 1},
        "checkpoints": {"every": 3},
        "validation": {"every": 4, "batches": 3, "batch_size": 4},
        "log": {"every": 1, "tensorboard": False},
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


@pytest.fixture
def recipe(tmp_path: Path, shapes_dataset: Path) -> Path:
    return write_recipe(tmp_path, shapes_dataset)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, shapes_dataset: Path) -> Path:
    """The folder of the recipe's training by one process that nothing stopped."""
    path = write_recipe(tmp_path_factory.mktemp("alone"), shapes_dataset)
    train(load_recipe(str(path)), Ranks(0, 1, torch.device("cpu")))
    return path.parent / "out"
