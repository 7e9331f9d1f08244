"""The processes of a training: which one this is, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all of a training. With a count of 1 nothing is sent and no process group is needed."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes what there is one of."""
        return self.rank == 0

    @property
    def first_here(self) -> bool:
        """Whether this process is the one that writes what there is one of on each machine."""
        return self.count == 1 or os.environ.get("LOCAL_RANK", str(self.rank)) == "0"

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all ranks, in float64: token counts stay exact."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        if dist.get_backend() == "nccl":
            total = total.to(self.device)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def wait(self) -> None:
        """Returns once every rank is here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """The ranks that a launcher started, or this process alone; leaves the process group in the end."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if count == 1:
        yield Ranks(0, 1, device)
        return
    # Both: gradients go by nccl, small things that lie on the CPU (checkpoint plans) by gloo.
    if not dist.is_initialized():  # Ray has joined them
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    yield Ranks(dist.get_rank(), count, device)
    # Not after an exception: what others still wait for would be waited for here.
    dist.destroy_process_group()
