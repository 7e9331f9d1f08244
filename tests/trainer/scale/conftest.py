"""Several processes over gloo in the time that one takes to start, and the smallest training there is."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # or each forked process imports it, two seconds, at its first shard
import torch.multiprocessing as processes
import yaml

from trainer.ranks import Ranks, join_ranks


def _process(rank: int, count: int, port: int, folder: str, work: Callable[[Ranks], object]) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with join_ranks() as ranks:
        torch.save(work(ranks), Path(folder) / f"{rank}.pt")


@pytest.fixture
def spread(tmp_path: Path) -> Callable[[int, Callable[[Ranks], Any]], list[Any]]:
    """What `work` gives on each of `count` processes, which are forked: torch is loaded already."""

    def run(count: int, work: Callable[[Ranks], Any]) -> list[Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes.start_processes(_process, (count, port, str(tmp_path), work), nprocs=count, start_method="fork")
        return [torch.load(tmp_path / f"{rank}.pt") for rank in range(count)]

    return run


@pytest.fixture
def recipe(tmp_path: Path, shapes_dataset: Path) -> Path:
    """Eight updates of a Flamingo from scratch; no dropout, of which each process draws its own."""
    text = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 32}
    vision = {"model_type": "clip_vision_model", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32}
    heads = {"num_attention_heads": 2}
    fields = {
        "seed": 5,
        "output": str(tmp_path / "out"),
        "model": {
            "tokenizer": {"vocabulary": 300},
            "image_size": 32,
            "open_gates": 0.5,
            "language_model": {"frozen": False, "config": {**text, **heads, "num_key_value_heads": 2}},
            "vision_encoder": {"frozen": False, "config": {**vision, **heads, "image_size": 32, "patch_size": 16}},
            "architecture": {"head_dim": 16, "resampler_layers": 1, "resampler_latents": 4, "resampler_heads": 2},
        },
        "data": {"dataset": str(shapes_dataset), "tokens": 48, "workers": 0},
        "optimizer": {"learning_rate": 0.003, "warmup_steps": 4},
        "training": {"steps": 8, "batch_size": 4, "micro_batch_size": 1},
        "checkpoints": {"every": 3},
        "validation": {"every": 4, "batches": 3, "batch_size": 4},
        "log": {"every": 1, "tensorboard": False},
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path
