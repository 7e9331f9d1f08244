"""What is trained on at each step: one dataset or several, each with its own lanes, window and weight.

Flamingo (arXiv 2204.14198, section 2.4 and appendix B.1.2): the gradients of all datasets are added up, each times its
weight, before every update (overall score 70.7); taking turns is the alternative that the paper found worse (62.9). The
loss of each is the mean over its own tokens of all ranks and micro-batches.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from m3w.trainer.data.batch_slots import LaneDataset
from m3w.trainer.data.collate import Batch

INTERLEAVED = "interleaved"
"""The name of the dataset that `data` of the recipe names."""


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset of the mixture."""

    name: str
    weight: float
    """Lambda of the paper."""
    lanes: LaneDataset


@dataclass(frozen=True, slots=True)
class Share:
    """What one source gives to one update."""

    name: str
    weight: float
    batches: Sequence[Batch]
    """This rank's micro-batches."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """The sources, and how they come together."""

    sources: Sequence[Source]
    take_turns: bool = False
    """One source a step, round robin, and not all of them at each."""

    def steps(self, first: int, last: int, workers: int) -> Iterator[list[Share]]:
        """The shares of each step from `first` up to `last`; `workers` loader processes for each source.

        What a source gives depends on (its seed, the number of its own steps before) alone, so a resume needs no state.
        """
        turns = len(self.sources) if self.take_turns else 1
        loaders = [
            load_steps(
                source.lanes,
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
    """Steps that a source has had before step `step`: every one, or where turns are taken one in `turns`."""
    return step if turns == 1 else (step - source + turns - 1) // turns


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
