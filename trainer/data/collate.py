"""Samples to a batch of the shape that the model takes, whatever the samples hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from trainer.data.windows import IGNORED, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A window with the pixels of its images."""

    key: str
    """Of the sequence; with the dataset it names what was trained on."""
    window: Window
    pixels: list[torch.Tensor]
    """One [3, H, W] for each image of the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """B windows. Shapes: B samples, L tokens, T images of all samples, F = 1 frame."""

    keys: list[str]
    input_ids: torch.Tensor
    """int64 [B, L], padded on the right."""
    attention_mask: torch.Tensor
    """int64 [B, L]: 0 on padding."""
    labels: torch.Tensor
    """int64 [B, L], -100 where no loss is; not shifted."""
    phi: torch.Tensor
    """int64 [B, L]: the row's image, from 1, that a token attends to; 0: none."""
    pixel_values: torch.Tensor
    """float32 [T, F, 3, H, W]: of row 0 first, in the order of the tags."""
    image_counts: torch.Tensor
    """int64 [B], summing to T."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Samples that could not be used while this batch was read, by reason."""

    @property
    def loss_tokens(self) -> int:
        """Tokens with a loss: the model predicts token t + 1 at t, so the first of a row has none."""
        return int((self.labels[:, 1:] != IGNORED).sum())

    @property
    def text_tokens(self) -> int:
        """Tokens that are not padding."""
        return int(self.attention_mask.sum())

    def inputs(self) -> dict[str, torch.Tensor | None]:
        """Keyword arguments of the model's forward, labels left out.

        Without an image there are no pixels: a vision encoder with batch norms would average over nothing.
        """
        inputs: dict[str, torch.Tensor | None] = dict(self._tensors())
        del inputs["labels"]
        return {**inputs, "pixel_values": self.pixel_values if len(self.pixel_values) else None}

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on `device`."""
        tensors = {name: value.to(device, non_blocking=True) for name, value in self._tensors().items()}
        return replace(self, **tensors)  # type: ignore[arg-type]  # all of them are tensor fields

    def pin_memory(self) -> Batch:
        """Called by the DataLoader, so that copies to a GPU don't wait."""
        return replace(self, **{name: value.pin_memory() for name, value in self._tensors().items()})  # type: ignore[arg-type]

    def _tensors(self) -> dict[str, torch.Tensor]:
        names = ("input_ids", "attention_mask", "labels", "pixel_values", "image_counts", "phi")
        return {name: getattr(self, name) for name in names}


def collate(samples: Sequence[Sample], *, tokens: int, image_size: int, padding: int) -> Batch:
    """The batch of `samples`, every row `tokens` long: one shape for all steps, so nothing is compiled twice."""
    windows = [sample.window for sample in samples]
    pixels = [picture for sample in samples for picture in sample.pixels]
    stacked = torch.stack(pixels) if pixels else torch.zeros(0, 3, image_size, image_size)
    return Batch(
        keys=[sample.key for sample in samples],
        input_ids=_rows([window.input_ids for window in windows], tokens, padding),
        attention_mask=_rows([[1] * len(window.input_ids) for window in windows], tokens, 0),
        labels=_rows([window.labels for window in windows], tokens, IGNORED),
        phi=_rows([window.phi for window in windows], tokens, 0),
        pixel_values=stacked.unsqueeze(1),
        image_counts=torch.tensor([len(sample.pixels) for sample in samples]),
    )


def _rows(rows: list[list[int]], length: int, padding: int) -> torch.Tensor:
    return torch.tensor([row + [padding] * (length - len(row)) for row in rows])
