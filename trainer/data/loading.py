"""The micro-batches of a training's steps, read ahead by worker processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader

from trainer.data.collate import Batch
from trainer.data.lanes import LaneDataset


def _outlive_sigterm(worker: int) -> None:
    """SIGTERM goes to the whole process group; the rank saves a checkpoint first, then ends its workers."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def load_steps(dataset: LaneDataset, *, first_step: int, last_step: int, workers: int) -> Iterator[list[Batch]]:
    """The micro-batches of each step from `first_step` up to `last_step`, read ahead by `workers` processes."""
    count = dataset.micro_batches
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first_step * count, last_step * count),
        num_workers=workers,
        worker_init_fn=_outlive_sigterm if workers else None,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
        # A generator of its own: the loader would draw from the global one, and dropout after a resume would differ.
        generator=torch.Generator(),
    )
    batches = iter(loader)
    for _ in range(first_step, last_step):
        yield [next(batches) for _ in range(count)]
