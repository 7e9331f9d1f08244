"""The micro-batches of a training's steps, read ahead by worker processes."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.utils.data import DataLoader

from m3w.trainer.data.collate import Batch
from m3w.trainer.data.lanes import LaneDataset

NO_STEP: list[Batch] = []
"""What stands behind the last one."""


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
    steps = ([next(batches) for _ in range(count)] for _ in range(first_step, last_step))
    return _one_ahead(steps) if workers else steps


def _one_ahead(steps: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
    """`steps`, each taken from the workers during the one before it: to receive one takes some milliseconds."""
    with ThreadPoolExecutor(1, "receive") as receiver:
        ahead = deque([receiver.submit(next, steps, NO_STEP)])
        while ahead[0].result():
            ahead.append(receiver.submit(next, steps, NO_STEP))
            yield ahead.popleft().result()  # no variable here would hold the step for longer than its user does
