"""The samples of a batch: which of them a rank reads at a step, and what replaces one that cannot be used.

A global batch of B samples has B slots. Slot b takes the samples at positions b, B + b, 2 B + b, ... of the order.
Rank r of W serves the B / W slots from r * B / W on, in micro-batches of at most `micro_batch_size` slots, whose
gradients are added. Everything random about a sample is drawn from (seed, position), so neither the number of ranks
nor the number of loader workers changes what a slot gets.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch.utils.data import Dataset

from m3w.schemas.sequence import Sequence
from m3w.trainer.data.collate import Batch, Sample, collate
from m3w.trainer.data.images import Picture, PixelFormat, UndecodableImageError, decode_image, draw_augmentation
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.packing import Packing, fair_shares
from m3w.trainer.data.sequences import SampleReader, UnreadableSampleError
from m3w.trainer.data.video import UndecodableVideoError, VideoFormat, decode_video
from m3w.trainer.data.windows import SpecialTokens, draw_window, tokenize_nodes

UNDECODABLE_IMAGE = "undecodable_image"
UNREADABLE_SAMPLE = "unreadable_sample"
UNDECODABLE_VIDEO = "undecodable_video"
REASONS: dict[type[Exception], str] = {
    UndecodableImageError: UNDECODABLE_IMAGE,
    UnreadableSampleError: UNREADABLE_SAMPLE,
    UndecodableVideoError: UNDECODABLE_VIDEO,
}
SKIP_REASONS = tuple(REASONS.values())
"""Why a sample could not be used."""

MAX_REPLACEMENTS = 99
"""Replacements tried for one sample; if none of them can be used, the dataset as a whole is broken."""


@dataclass(frozen=True, slots=True)
class TokenizedSequence:
    """A sequence with its token ids, and the generator that its window is drawn from."""

    sequence: Sequence
    ids: list[int]
    draw: random.Random


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFormat:
    """How sequences of a dataset become samples."""

    tokenize: Callable[[str], list[int]]
    special: SpecialTokens
    pixels: PixelFormat
    padding: int
    """Id of the padding token."""
    tokens: int = 256
    images: int = 5
    p_next: float = 0.5
    start_at_image: bool = False
    leading_space: float = 0.0
    """Probability of a space before the first text. The paper has 0.5 for pairs, so that the model knows both forms."""
    flip: bool = False
    colour: bool = False
    video: VideoFormat | None = None
    """None: images are pictures."""

    def tokenized(self, sequence: Sequence, draw: random.Random) -> TokenizedSequence:
        """The sequence with its tokens; its window is not drawn yet."""
        texts = self._spaced(sequence.texts, draw) if self.leading_space else sequence.texts
        ids = tokenize_nodes(texts, self.tokenize, self.special, ends=sequence.last)
        return TokenizedSequence(sequence, ids, draw)

    def sample(self, tokenized: TokenizedSequence, tokens: int | None = None) -> Sample:
        """A window of at most `tokens` tokens (None: `self.tokens`), with its images.

        Raises UndecodableImageError or UndecodableVideoError if one of its images is broken.
        """
        sequence, draw = tokenized.sequence, tokenized.draw
        window = draw_window(
            tokenized.ids,
            self.special,
            draw,
            tokens=self.tokens if tokens is None else tokens,
            images=self.images,
            p_next=self.p_next,
            start_at_image=self.start_at_image,
        )
        pictures = [self._frames(sequence.image_bytes[number], draw) for number in window.images]
        return Sample(key=sequence.key, window=window, pictures=pictures)

    def _frames(self, content: bytes, draw: random.Random) -> list[Picture]:
        """The frames of a picture (one) or a video, all augmented alike."""
        size = self.pixels.size
        frames = [decode_image(content, size)] if self.video is None else decode_video(content, size, self.video, draw)
        augment = draw_augmentation(draw, flip=self.flip, colour=self.colour)
        return [augment(frame) for frame in frames]

    def _spaced(self, texts: list[str | None], draw: random.Random) -> list[str | None]:
        """`texts`, with a space before the first one if the draw says so."""
        first = next((node for node, text in enumerate(texts) if text is not None), None)
        if first is None or draw.random() >= self.leading_space:
            return texts
        return [f" {text}" if node == first else text for node, text in enumerate(texts)]


class BatchSlotDataset(Dataset[Batch]):
    """The micro-batches of the slots in `batch_slots`, from the first step of the training on.

    Item s * micro_batches + m is micro-batch m of step s. Any item can be read without the items before it.
    """

    def __init__(
        self,
        reader: SampleReader,
        order: SampleOrder,
        sample_format: SampleFormat,
        *,
        batch_size: int,
        batch_slots: range,
        micro_batch_size: int,
        packing: Packing | None = None,
    ) -> None:
        self.reader, self.order, self.sample_format, self.packing = reader, order, sample_format, packing
        self.batch_size = batch_size
        starts = range(batch_slots.start, batch_slots.stop, micro_batch_size)
        self.micro_batch_slots = [range(start, min(start + micro_batch_size, batch_slots.stop)) for start in starts]

    @property
    def micro_batches(self) -> int:
        """Micro-batches of one step."""
        return len(self.micro_batch_slots)

    def __getitem__(self, item: int) -> Batch:
        step, number = divmod(item, self.micro_batches)
        skipped: Counter[str] = Counter()
        rows = [self._row(step * self.batch_size + slot, skipped) for slot in self.micro_batch_slots[number]]
        batch = collate(
            rows,
            tokens=self.sample_format.tokens if self.packing is None else self.packing.tokens,
            pixels=self.sample_format.pixels,
            padding=self.sample_format.padding,
            packed=self.packing is not None,
        )
        return replace(batch, skipped=skipped)

    def _row(self, row: int, skipped: Counter[str]) -> list[Sample]:
        """The samples of row number `row`, counted from the first step: one, or as many as are packed together."""
        documents = 1 if self.packing is None else self.packing.documents
        positions = range(row * documents, (row + 1) * documents)
        self.reader.expect(self.order.upcoming(positions[0]))
        if self.packing is None:
            return [self._usable_sample(row, skipped)]
        tokenized = [self._tokenized_or_none(position) for position in positions]
        most = self.sample_format.tokens
        lengths = [most if each is None else min(len(each.ids), most) for each in tokenized]
        shares = fair_shares(lengths, self.packing.tokens)
        return [
            self._usable_sample(position, skipped, tokens, first)
            for position, tokens, first in zip(positions, shares, tokenized, strict=True)
        ]

    def _tokenized_or_none(self, position: int) -> TokenizedSequence | None:
        """None if the sample at `position` is unreadable and will be replaced."""
        try:
            return self._tokenized(position, 0)
        except UnreadableSampleError:
            return None

    def _tokenized(self, position: int, attempt: int) -> TokenizedSequence:
        address = self.order.replacement(position, attempt) if attempt else self.order.address(position)
        draw = random.Random(f"{self.order.seed}/{position}/{attempt}")
        return self.sample_format.tokenized(self.reader.read(address), draw)

    def _usable_sample(
        self, position: int, skipped: Counter[str], tokens: int | None = None, first: TokenizedSequence | None = None
    ) -> Sample:
        """The sample at `position` or, if it cannot be used, the first of its replacements that can.

        `first` is the sample's sequence if it is tokenized already. Raises ValueError if no replacement can be used.
        """
        problem: Exception | None = None
        for attempt in range(1 + MAX_REPLACEMENTS):
            try:
                tokenized = first if first is not None and not attempt else self._tokenized(position, attempt)
                return self.sample_format.sample(tokenized, tokens)
            except tuple(REASONS) as error:
                skipped[REASONS[type(error)]] += 1
                problem = error
        raise ValueError(
            f"{1 + MAX_REPLACEMENTS} samples of {self.reader.folder} in a row cannot be used (the last: {problem}); "
            "the dataset is broken, build or copy it again"
        )


def rank_batch_slots(batch_size: int, rank: int, ranks: int) -> range:
    """The slots that `rank` of `ranks` serves. Raises ValueError if `ranks` does not divide the batch."""
    if batch_size % ranks:
        raise ValueError(
            f"a batch_size of {batch_size} cannot be dealt to {ranks} processes evenly; "
            f"set training.batch_size to a multiple of {ranks}, or start another number of processes"
        )
    share = batch_size // ranks
    return range(rank * share, (rank + 1) * share)
