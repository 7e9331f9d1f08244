"""Samples to a batch of tensors. All batches of a dataset have one shape, whatever the samples hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from m3w.trainer.data.images import Picture, PixelFormat, normalised, paste_centred
from m3w.trainer.data.windows import IGNORED, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A training sample: a window with the pixels of its images."""

    key: str
    """Of the sequence; unique in its dataset."""
    window: Window
    pictures: list[list[Picture]]
    """The frames of each image of the window: one of a picture, several of a video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """B windows. Shapes: B samples, L tokens, T images of all samples, F frames of each, S side of the square."""

    keys: list[str]
    input_ids: torch.Tensor
    """int64 [B, L], padded on the right."""
    attention_mask: torch.Tensor
    """int64 [B, L]: 0 on padding."""
    labels: torch.Tensor
    """int64 [B, L], -100 at tokens without loss; not shifted."""
    phi: torch.Tensor
    """int64 [B, L]: the row's image, from 1, that a token attends to; 0: none."""
    pixel_values: torch.Tensor
    """[T, F, 3, S, S], the images of row 0 first, in the order of their tags. From the loader: uint8, not normalised,
    a fourth of the bytes. `to` and `inputs` turn them into normalised float32 on the model's device."""
    image_counts: torch.Tensor
    """int64 [B], summing to T."""
    boxes: torch.Tensor | None = None
    """int64 [T, F, 4], with uint8 pixels: top, bottom, left and right of each picture in its square. The rest of the
    square is padding."""
    pixels: PixelFormat | None = None
    """With uint8 pixels: the format that the model takes."""
    position_ids: torch.Tensor | None = None
    """int64 [B, L], of packed rows: they start at 0 with each document, which attends to nothing before it."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Samples that were replaced while this batch was read, by reason."""

    @property
    def loss_tokens(self) -> int:
        """Tokens with a loss. The model predicts token t + 1 at t, so the first token of a row has none."""
        return int((self.labels[:, 1:] != IGNORED).sum())

    @property
    def text_tokens(self) -> int:
        """Tokens that are not padding."""
        return int(self.attention_mask.sum())

    def inputs(self) -> dict[str, torch.Tensor | None]:
        """Keyword arguments of the model's forward, without labels.

        pixel_values is None without an image: a vision encoder with batch norms would average over nothing.
        """
        batch = self._normalised()
        names = ("input_ids", "attention_mask", "image_counts", "phi")
        inputs: dict[str, torch.Tensor | None] = {name: getattr(batch, name) for name in names}
        if batch.position_ids is not None:
            # Without a mask the language model infers from the positions where documents begin.
            inputs |= {"attention_mask": None, "position_ids": batch.position_ids}
        return {**inputs, "pixel_values": batch.pixel_values if len(batch.pixel_values) else None}

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on `device` and its pixels normalised."""
        tensors = {name: value.to(device, non_blocking=True) for name, value in self._tensors().items()}
        return replace(self, **tensors)._normalised()  # type: ignore[arg-type]  # all of them are tensor fields

    def _normalised(self) -> Batch:
        if self.boxes is None or self.pixels is None:
            return self
        return replace(self, pixel_values=normalised(self.pixel_values, self.boxes, self.pixels), boxes=None)

    def pin_memory(self) -> Batch:
        """Called by the DataLoader, so that copies to a GPU are asynchronous."""
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
    """The batch of `rows` of samples (one a row unless they are packed), each padded to `tokens` tokens.

    All steps have one shape, so nothing is compiled twice.
    """
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
    """The windows concatenated and their images renumbered. No window's end predicts the beginning of the next."""
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
    """Counted from 0 in each document and in the padding: attention does not cross a return to 0."""
    positions = []
    for row in rows:
        lengths = [len(sample.window.input_ids) for sample in row]
        positions.append([position for length in [*lengths, tokens - sum(lengths)] for position in range(length)])
    return torch.tensor(positions)


def _squares(images: list[list[Picture]], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 squares [T, F, 3, S, S] and boxes [T, F, 4]. F is that of the first image; 1 without images."""
    frames = len(images[0]) if images else 1
    squares = torch.zeros(len(images), frames, 3, size, size, dtype=torch.uint8)
    boxes = torch.zeros(len(images), frames, 4, dtype=torch.long)
    target = squares.numpy()
    for number, image in enumerate(images):
        for frame, picture in enumerate(image):
            boxes[number, frame] = torch.tensor(paste_centred(picture, target[number, frame]))
    return squares, boxes


def _padded(rows: list[list[int]], length: int, padding: int) -> torch.Tensor:
    return torch.tensor([row + [padding] * (length - len(row)) for row in rows])
