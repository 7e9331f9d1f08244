"""What happened since the last line of the journal: loss, speed, waiting, gates."""

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
    """What one update did, over all ranks."""

    losses: dict[str, float]
    """Nats per token, by source."""
    gradient_norm: float
    """Before clipping."""
    gradient_norms: dict[str, float]
    """The same of each part of the model that is trained."""
    loss_tokens: int
    tokens: int
    """Without padding."""
    places: int
    """With padding: what the model computed."""
    pairs: int
    """Of places, row by row: the squares of the rows' lengths."""
    samples: int
    images: int
    """Or videos."""
    frames: int
    stop: bool
    """Some rank was asked to stop."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Of this rank."""

    @property
    def loss(self) -> float:
        """Nats per token, of the first source."""
        return next(iter(self.losses.values()))


class Progress:
    """Sums over the updates since the last values; what was skipped is counted from the start."""

    def __init__(self, costs: Costs | None = None, peak: float | None = None) -> None:
        """`costs` of the model and `peak`, FLOP/s of one process's device, give the utilisation; a CPU has none."""
        self._costs, self._peak = costs, peak
        self._skipped: Counter[str] = Counter()
        self._reports: list[UpdateReport] = []
        self.restart()

    def restart(self) -> None:
        """Starts the clock anew, after something that is not training."""
        self._reports.clear()
        self._waited = 0.0
        self._since = time.perf_counter()

    def waiting(self, steps: Iterable[Step]) -> Iterator[Step]:
        """The steps, with the time measured that getting each of them takes."""
        iterator = iter(steps)
        while True:
            asked = time.perf_counter()
            try:
                step = next(iterator)
            except StopIteration:
                return
            self._waited += time.perf_counter() - asked
            yield step
            del step  # here, not where the next one takes its name: to free it is no waiting

    def add(self, report: UpdateReport) -> None:
        self._reports.append(report)
        self._skipped.update(report.skipped)

    def values(self, model: nn.Module, rate: float, ranks: Ranks) -> dict[str, float]:
        """What the journal says of the updates since the last time; every rank must ask.

        Losses are means over updates: `loss` of the interleaved dataset, `loss/NAME` of each further one. `loader_wait`
        is the share of the time, speeds are of all ranks together.
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
            **self._arithmetic(seconds, ranks),
            "padding_share": 1 - sum(r.tokens for r in reports) / sum(r.places for r in reports),
            "loader_wait": self._waited / seconds,
            **gate_values(model),
            **{f"skipped/{reason}": count for reason, count in zip(SKIP_REASONS, skipped, strict=True)},
        }
        values["memory_gib"] = memory_gib()
        self.restart()
        return values

    def _arithmetic(self, seconds: float, ranks: Ranks) -> dict[str, float]:
        """FLOP/s of one process, as the model's shapes have them, and their share of what its device can do."""
        if self._costs is None:
            return {}
        flops = sum(
            self._costs.of(places=report.places, pairs=report.pairs, images=report.images, frames=report.frames)
            for report in self._reports
        )
        rate = flops / seconds / ranks.count
        return {"teraflops": rate / 1e12, **({"mfu": rate / self._peak} if self._peak else {})}


def memory_gib() -> float:
    """The most that this process has held: on its GPU or, without one, in memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _losses(reports: Sequence[UpdateReport]) -> dict[str, float]:
    """The mean over the updates that each source was part of."""
    found: dict[str, list[float]] = {}
    for report in reports:
        for name, loss in report.losses.items():
            found.setdefault(name, []).append(loss)
    return {
        "loss" if name == INTERLEAVED else f"loss/{name}": sum(losses) / len(losses) for name, losses in found.items()
    }


def whole(tensor: Tensor) -> Tensor:
    """A tensor that may be sharded; every rank must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gate_values(model: nn.Module) -> dict[str, float]:
    """tanh of every gate, by `gate/BLOCK.NAME`: 0 at the start, when the model is its language model alone."""
    gates = [(name, parameter) for name, parameter in model.named_parameters() if name.endswith("_gate")]
    values = {}
    for number, (name, parameter) in enumerate(gates):
        values[f"gate/{number:03d}.{name.rsplit('.', 1)[-1]}"] = float(whole(parameter.detach()).tanh().mean())
    return values
