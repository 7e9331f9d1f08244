"""The processes of a training: the rank of this one, and sums over all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True, slots=True)
class Ranks:
    """The rank of this process and the number of processes. With a count of 1 no process group is needed."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes what exists once per training."""
        return self.rank == 0

    @property
    def first_here(self) -> bool:
        """Whether this process writes what exists once per machine."""
        return self.count == 1 or os.environ.get("LOCAL_RANK", str(self.rank)) == "0"

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all ranks, in float64, so that token counts stay exact."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        if dist.get_backend() == "nccl":
            total = total.to(self.device)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def wait(self) -> None:
        """A barrier: returns once every rank has called it."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """The ranks that a launcher started, or this process alone. Leaves the process group at the end."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if count == 1:
        yield Ranks(0, 1, device)
        return
    # Both: nccl for gradients, gloo for small objects on the CPU (checkpoint plans).
    if not dist.is_initialized():  # Ray has done so already
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    yield Ranks(dist.get_rank(), count, device)
    # Not after an exception: it would wait for operations that the other ranks still wait for.
    dist.destroy_process_group()
