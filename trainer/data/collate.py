"""Samples to a batch of the shape that the model takes, whatever the samples hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from trainer.data.images import Picture, PixelFormat, normalised, place_in_square
from trainer.data.windows import IGNORED, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A window with the pixels of its images."""

    key: str
    """Of the sequence; with the dataset it names what was trained on."""
    window: Window
    pictures: list[list[Picture]]
    """The frames of each image of the window: one, or a video's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """B windows. Shapes: B samples, L tokens, T images of all samples, F frames of each, S side of the square."""

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
    """float32 [T, F, 3, S, S], normalised: of row 0 first, in the order of the tags. As the loader gives them they are
    uint8 [T, F, S, S, 3], a fourth of the bytes; `to` and `inputs` make pixels of them where the model is."""
    image_counts: torch.Tensor
    """int64 [B], summing to T."""
    boxes: torch.Tensor | None = None
    """int64 [T, F, 4], beside bytes: top, bottom, left and right of each picture in its square; the rest is padding."""
    pixels: PixelFormat | None = None
    """Beside bytes: what the model takes."""
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
        batch = self._normalised()
        names = ("input_ids", "attention_mask", "image_counts", "phi")
        inputs: dict[str, torch.Tensor | None] = {name: getattr(batch, name) for name in names}
        return {**inputs, "pixel_values": batch.pixel_values if len(batch.pixel_values) else None}

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on `device`, the pixels normalised there."""
        tensors = {name: value.to(device, non_blocking=True) for name, value in self._tensors().items()}
        return replace(self, **tensors)._normalised()  # type: ignore[arg-type]  # all of them are tensor fields

    def _normalised(self) -> Batch:
        if self.boxes is None or self.pixels is None:
            return self
        return replace(self, pixel_values=normalised(self.pixel_values, self.boxes, self.pixels), boxes=None)

    def pin_memory(self) -> Batch:
        """Called by the DataLoader, so that copies to a GPU don't wait."""
        return replace(self, **{name: value.pin_memory() for name, value in self._tensors().items()})  # type: ignore[arg-type]

    def _tensors(self) -> dict[str, torch.Tensor]:
        names = ("input_ids", "attention_mask", "labels", "pixel_values", "boxes", "image_counts", "phi")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def collate(samples: Sequence[Sample], *, tokens: int, pixels: PixelFormat, padding: int) -> Batch:
    """The batch of `samples`, every row `tokens` long: one shape for all steps, so nothing is compiled twice."""
    windows = [sample.window for sample in samples]
    squares, boxes = _squares([picture for sample in samples for picture in sample.pictures], pixels.size)
    return Batch(
        keys=[sample.key for sample in samples],
        input_ids=_rows([window.input_ids for window in windows], tokens, padding),
        attention_mask=_rows([[1] * len(window.input_ids) for window in windows], tokens, 0),
        labels=_rows([window.labels for window in windows], tokens, IGNORED),
        phi=_rows([window.phi for window in windows], tokens, 0),
        pixel_values=squares,
        boxes=boxes,
        pixels=pixels,
        image_counts=torch.tensor([len(sample.pictures) for sample in samples]),
    )


def _squares(images: list[list[Picture]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All images have as many frames as the first; of none, one frame."""
    frames = len(images[0]) if images else 1
    squares = torch.zeros(len(images), frames, size, size, 3, dtype=torch.uint8)
    boxes = torch.zeros(len(images), frames, 4, dtype=torch.long)
    target = squares.numpy()
    for number, image in enumerate(images):
        for frame, picture in enumerate(image):
            top, bottom, left, right = place_in_square(picture, size)
            target[number, frame, top:bottom, left:right] = picture
            boxes[number, frame] = torch.tensor((top, bottom, left, right))
    return squares, boxes


def _rows(rows: list[list[int]], length: int, padding: int) -> torch.Tensor:
    return torch.tensor([row + [padding] * (length - len(row)) for row in rows])
