"""The values of a line of the journal: loss, speed, utilisation, waiting, gates since the line before."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from m3w.trainer.cost.flops import Costs
from m3w.trainer.data.batch_slots import SKIP_REASONS
from m3w.trainer.data.mixture import INTERLEAVED
from m3w.trainer.distributed.ranks import Ranks

Step = TypeVar("Step")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """Sums of one update over all ranks."""

    losses: dict[str, float]
    """Nats per token, by source."""
    gradient_norm: float
    """Before clipping."""
    gradient_norms: dict[str, float]
    """The norm of each trained module group, before clipping."""
    loss_tokens: int
    tokens: int
    """Without padding."""
    padded_tokens: int
    """With padding."""
    squared_lengths: int
    """Sum of the squares of the rows' padded lengths: pairs of tokens that attention computes."""
    samples: int
    images: int
    """Images and videos."""
    frames: int
    stop: bool
    """Whether some rank was asked to stop."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Replaced samples of this rank, by reason."""

    @property
    def loss(self) -> float:
        """Nats per token of the first source."""
        return next(iter(self.losses.values()))


class Progress:
    """Sums over the updates since the last call of `values`. Replaced samples are counted from the start."""

    def __init__(self, costs: Costs | None = None, peak: float | None = None) -> None:
        """`costs` of the model and `peak`, FLOP/s of one process's device, give the utilisation; without them there
        is none."""
        self._costs, self._peak = costs, peak
        self._skipped: Counter[str] = Counter()
        self._reports: list[UpdateReport] = []
        self.restart()

    def restart(self) -> None:
        """Restarts the clock, after a pause that is not training."""
        self._reports.clear()
        self._waited = 0.0
        self._since = time.perf_counter()

    def waiting(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yields the steps and measures the time spent waiting for them."""
        iterator = iter(steps)
        while True:
            asked = time.perf_counter()
            try:
                step = next(iterator)
            except StopIteration:
                return
            self._waited += time.perf_counter() - asked
            yield step
            del step  # here: freeing it while waiting for the next step would count as waiting

    def add(self, report: UpdateReport) -> None:
        self._reports.append(report)
        self._skipped.update(report.skipped)

    def values(self, model: nn.Module, rate: float, ranks: Ranks) -> dict[str, float]:
        """The values of the journal's next line. All ranks must call it.

        Losses are means over updates: `loss` of the first dataset, `loss/NAME` of each further one. `loader_wait` is
        the fraction of time spent waiting for data. Speeds are of all ranks together.
        """
        reports = self._reports
        seconds = time.perf_counter() - self._since
        skipped = ranks.sum([self._skipped[reason] for reason in SKIP_REASONS])
        values = {
            **_losses(reports),
            "learning_rate": rate,
            "gradient_norm": reports[-1].gradient_norm,
            **{f"gradient_norm/{part}": norm for part, norm in reports[-1].gradient_norms.items()},
            "tokens_per_second": sum(report.tokens for report in reports) / seconds,
            "samples_per_second": sum(report.samples for report in reports) / seconds,
            "images_per_second": sum(report.images for report in reports) / seconds,
            **self._utilisation(seconds, ranks),
            "padding_share": 1 - sum(r.tokens for r in reports) / sum(r.padded_tokens for r in reports),
            "loader_wait": self._waited / seconds,
            **gate_values(model),
            **{f"skipped/{reason}": count for reason, count in zip(SKIP_REASONS, skipped, strict=True)},
        }
        values["memory_gib"] = memory_gib()
        self.restart()
        return values

    def _utilisation(self, seconds: float, ranks: Ranks) -> dict[str, float]:
        """Model TFLOP/s of one process, and their fraction of its device's peak."""
        if self._costs is None:
            return {}
        flops = sum(
            self._costs.of(
                padded_tokens=report.padded_tokens,
                squared_lengths=report.squared_lengths,
                images=report.images,
                frames=report.frames,
            )
            for report in self._reports
        )
        rate = flops / seconds / ranks.count
        return {"teraflops": rate / 1e12, **({"mfu": rate / self._peak} if self._peak else {})}


def memory_gib() -> float:
    """Peak memory of this process, GiB: on its GPU or, without one, resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _losses(reports: Sequence[UpdateReport]) -> dict[str, float]:
    """For each source, its mean loss over the updates that used it."""
    by_source: dict[str, list[float]] = {}
    for report in reports:
        for name, loss in report.losses.items():
            by_source.setdefault(name, []).append(loss)
    return {
        "loss" if name == INTERLEAVED else f"loss/{name}": sum(losses) / len(losses)
        for name, losses in by_source.items()
    }


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be sharded. All ranks must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gate_values(model: nn.Module) -> dict[str, float]:
    """tanh of every gate as `gate/NUMBER.NAME`. At 0, its initial value, the model is its language model alone."""
    gates = [(name, parameter) for name, parameter in model.named_parameters() if name.endswith("_gate")]
    values = {}
    for number, (name, parameter) in enumerate(gates):
        values[f"gate/{number:03d}.{name.rsplit('.', 1)[-1]}"] = float(whole(parameter.detach()).tanh().mean())
    return values
