"""Samples to a batch of the shape that the model takes, whatever the samples hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from m3w.trainer.data.images import Picture, PixelFormat, normalised, place
from m3w.trainer.data.windows import IGNORED, Window


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
    uint8, not normalised, a fourth of the bytes; `to` and `inputs` make pixels of them where the model is."""
    image_counts: torch.Tensor
    """int64 [B], summing to T."""
    boxes: torch.Tensor | None = None
    """int64 [T, F, 4], beside bytes: top, bottom, left and right of each picture in its square; the rest is padding."""
    pixels: PixelFormat | None = None
    """Beside bytes: what the model takes."""
    position_ids: torch.Tensor | None = None
    """int64 [B, L], of packed rows: they start at 0 with each document, which sees nothing before it."""
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
        if batch.position_ids is not None:
            # Without a mask the language model takes from the positions where documents begin.
            inputs |= {"attention_mask": None, "position_ids": batch.position_ids}
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
        names = (
            "input_ids",
            "attention_mask",
            "labels",
            "pixel_values",
            "boxes",
            "image_counts",
            "phi",
            "position_ids",
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def collate(
    rows: Sequence[Sequence[Sample]], *, tokens: int, pixels: PixelFormat, padding: int, packed: bool = False
) -> Batch:
    """The batch of rows of samples (one each unless they are packed), every row `tokens` long: one shape for all
    steps, so nothing is compiled twice."""
    joined = [_joined([sample.window for sample in row]) for row in rows]
    samples = [sample for row in rows for sample in row]
    squares, boxes = _squares([picture for sample in samples for picture in sample.pictures], pixels.size)
    return Batch(
        keys=[sample.key for sample in samples],
        input_ids=_padded([row.input_ids for row in joined], tokens, padding),
        attention_mask=_padded([[1] * len(row.input_ids) for row in joined], tokens, 0),
        labels=_padded([row.labels for row in joined], tokens, IGNORED),
        phi=_padded([row.phi for row in joined], tokens, 0),
        pixel_values=squares,
        boxes=boxes,
        pixels=pixels,
        image_counts=torch.tensor([sum(len(sample.pictures) for sample in row) for row in rows]),
        position_ids=_positions(rows, tokens) if packed else None,
    )


def _joined(windows: Sequence[Window]) -> Window:
    """One behind the other; images are counted on, and no window's end predicts the next one's beginning."""
    if len(windows) == 1:
        return windows[0]
    images = 0
    input_ids, labels, phi = [], [], []
    for window in windows:
        input_ids += window.input_ids
        labels += [IGNORED, *window.labels[1:]]
        phi += [image and image + images for image in window.phi]
        images += len(window.images)
    return Window(input_ids=input_ids, labels=labels, phi=phi, images=range(images))


def _positions(rows: Sequence[Sequence[Sample]], tokens: int) -> torch.Tensor:
    """Counted from 0 in each document and in the padding: where they begin anew, a language model's attention ends."""
    found = []
    for row in rows:
        lengths = [len(sample.window.input_ids) for sample in row]
        found.append([place for length in [*lengths, tokens - sum(lengths)] for place in range(length)])
    return torch.tensor(found)


def _squares(images: list[list[Picture]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All images have as many frames as the first; of none, one frame."""
    frames = len(images[0]) if images else 1
    squares = torch.zeros(len(images), frames, 3, size, size, dtype=torch.uint8)
    boxes = torch.zeros(len(images), frames, 4, dtype=torch.long)
    target = squares.numpy()
    for number, image in enumerate(images):
        for frame, picture in enumerate(image):
            boxes[number, frame] = torch.tensor(place(picture, target[number, frame]))
    return squares, boxes


def _padded(rows: list[list[int]], length: int, padding: int) -> torch.Tensor:
    return torch.tensor([row + [padding] * (length - len(row)) for row in rows])
