"""The data of each step: micro-batches of one dataset or several, each with its own batch slots, windows and weight.

Flamingo (arXiv 2204.14198, section 2.4 and appendix B.1.2): the gradients of all datasets are added up, each times its
weight, before every update (overall score 70.7); to take turns is the alternative that the paper found worse (62.9).
The loss of a dataset is the mean over its own tokens of all ranks and micro-batches.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from m3w.trainer.data.batch_slots import BatchSlotDataset
from m3w.trainer.data.collate import Batch

INTERLEAVED = "interleaved"
"""The name of the dataset under `data` of the recipe."""


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset of the mixture."""

    name: str
    weight: float
    """Lambda in the paper."""
    dataset: BatchSlotDataset


@dataclass(frozen=True, slots=True)
class Share:
    """What one source contributes to one update."""

    name: str
    weight: float
    batches: Sequence[Batch]
    """This rank's micro-batches."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """The sources, and how steps draw from them."""

    sources: Sequence[Source]
    take_turns: bool = False
    """Each step uses one source, round robin, and not all of them."""

    def steps(self, first: int, last: int, workers: int) -> Iterator[list[Share]]:
        """The shares of each step from `first` up to `last`; `workers` loader processes for each source.

        The batches of a source depend on its seed and on the number of its steps before alone: a resume needs no state.
        """
        turns = len(self.sources) if self.take_turns else 1
        loaders = [
            load_steps(
                source.dataset,
                first_step=_steps_before(first, number, turns),
                last_step=_steps_before(last, number, turns),
                workers=workers,
            )
            for number, source in enumerate(self.sources)
        ]
        for step in range(first, last):
            chosen = [step % turns] if self.take_turns else range(len(self.sources))
            yield [self._share(number, next(loaders[number])) for number in chosen]

    def _share(self, number: int, batches: Sequence[Batch]) -> Share:
        source = self.sources[number]
        return Share(source.name, source.weight, batches)


def _steps_before(step: int, source: int, turns: int) -> int:
    """Steps of source number `source` before step `step`: all of them or, if sources take turns, one in `turns`."""
    return step if turns == 1 else (step - source + turns - 1) // turns


NO_STEP: list[Batch] = []
"""Marks the end of the steps."""


def _outlive_sigterm(worker: int) -> None:
    """Ignores SIGTERM, which the whole process group gets: the rank first saves a checkpoint, then ends its workers."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def load_steps(dataset: BatchSlotDataset, *, first_step: int, last_step: int, workers: int) -> Iterator[list[Batch]]:
    """The micro-batches of each step from `first_step` up to `last_step`, prefetched by `workers` processes."""
    count = dataset.micro_batches
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first_step * count, last_step * count),
        num_workers=workers,
        worker_init_fn=_outlive_sigterm if workers else None,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
        # Its own generator: the loader would draw from the global one, and dropout after a resume would differ.
        generator=torch.Generator(),
    )
    batches = iter(loader)
    steps = ([next(batches) for _ in range(count)] for _ in range(first_step, last_step))
    return _one_ahead(steps) if workers else steps


def _one_ahead(steps: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
    """`steps`, each received from the workers during the step before it: receiving takes some milliseconds."""
    with ThreadPoolExecutor(1, "receive") as receiver:
        ahead = deque([receiver.submit(next, steps, NO_STEP)])
        while ahead[0].result():
            ahead.append(receiver.submit(next, steps, NO_STEP))
            yield ahead.popleft().result()  # not kept in a variable: that would keep the step's memory alive
