"""Lanes to batches: what one rank reads at one step.

Lane l of a global batch of B takes the samples at positions l, B + l, 2 B + l, ... of the order. A rank of W
serves the B / W lanes from rank * B / W on, in micro-batches of at most `micro_batch_size` lanes, whose
gradients are added. Everything random about a sample is drawn from (seed, position), so neither the number
of ranks nor that of loader workers changes what any lane sees.
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
from m3w.trainer.data.video import UndecodableVideoError, VideoForm, decode_video
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

STAND_INS = 100
"""Samples tried for one place in a batch before a dataset is taken to be broken as a whole."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A sequence as tokens, and what draws its window."""

    sequence: Sequence
    ids: list[int]
    draw: random.Random


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleForm:
    """How a sequence becomes a sample: the same for all samples of a dataset."""

    tokenize: Callable[[str], list[int]]
    special: SpecialTokens
    pixels: PixelFormat
    padding: int
    """Token id of the places after the end."""
    tokens: int = 256
    images: int = 5
    p_next: float = 0.5
    start_at_image: bool = False
    leading_space: float = 0.0
    """How often a space is put before the first text: 0.5 for pairs in the paper, so that both forms are known."""
    flip: bool = False
    colour: bool = False
    video: VideoForm | None = None
    """None: images are images."""

    def draft(self, sequence: Sequence, draw: random.Random) -> Draft:
        """The sequence as tokens, its window not yet drawn."""
        texts = self._spaced(sequence.texts, draw) if self.leading_space else sequence.texts
        return Draft(sequence, tokenize_nodes(texts, self.tokenize, self.special, ends=sequence.last), draw)

    def sample(self, draft: Draft, tokens: int | None = None) -> Sample:
        """A window of at most `tokens` (None: the form's), with its images.

        Raises UndecodableImageError or UndecodableVideoError if one of those is broken.
        """
        sequence, draw = draft.sequence, draft.draw
        window = draw_window(
            draft.ids,
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
        """The frames of an image (one) or a video, changed alike."""
        size = self.pixels.size
        frames = [decode_image(content, size)] if self.video is None else decode_video(content, size, self.video, draw)
        augment = draw_augmentation(draw, flip=self.flip, colour=self.colour)
        return [augment(frame) for frame in frames]

    def _spaced(self, texts: list[str | None], draw: random.Random) -> list[str | None]:
        first = next((place for place, text in enumerate(texts) if text is not None), None)
        if first is None or draw.random() >= self.leading_space:
            return texts
        return [f" {text}" if place == first else text for place, text in enumerate(texts)]


class LaneDataset(Dataset[Batch]):
    """The micro-batches of the lanes from `first_lane` up to `last_lane`, counted from the training's first step.

    Item s * micro_batches + m is micro-batch m of step s: any item can be read without those before it.
    """

    def __init__(
        self,
        reader: SampleReader,
        order: SampleOrder,
        form: SampleForm,
        *,
        batch_size: int,
        lanes: range,
        micro_batch_size: int,
        packing: Packing | None = None,
    ) -> None:
        self.reader, self.order, self.form, self.packing = reader, order, form, packing
        self.batch_size = batch_size
        starts = range(lanes.start, lanes.stop, micro_batch_size)
        self.lane_groups = [range(start, min(start + micro_batch_size, lanes.stop)) for start in starts]

    @property
    def micro_batches(self) -> int:
        """Micro-batches in one step."""
        return len(self.lane_groups)

    def __getitem__(self, item: int) -> Batch:
        step, group = divmod(item, self.micro_batches)
        skipped: Counter[str] = Counter()
        rows = [self._row(step * self.batch_size + lane, skipped) for lane in self.lane_groups[group]]
        form, tokens = self.form, self.form.tokens if self.packing is None else self.packing.tokens
        batch = collate(rows, tokens=tokens, pixels=form.pixels, padding=form.padding, packed=self.packing is not None)
        return replace(batch, skipped=skipped)

    def _row(self, place: int, skipped: Counter[str]) -> list[Sample]:
        """The samples of one row: one, or as many as are packed together."""
        documents = 1 if self.packing is None else self.packing.documents
        positions = range(place * documents, (place + 1) * documents)
        self.reader.expect(self.order.upcoming(positions[0]))
        if self.packing is None:
            return [self._usable_sample(place, skipped)]
        drafts = [self._first_draft(position) for position in positions]
        lengths = [self.form.tokens if draft is None else min(len(draft.ids), self.form.tokens) for draft in drafts]
        return [
            self._usable_sample(position, skipped, tokens, draft)
            for position, tokens, draft in zip(
                positions, fair_shares(lengths, self.packing.tokens), drafts, strict=True
            )
        ]

    def _first_draft(self, position: int) -> Draft | None:
        """None where a stand-in will be needed."""
        try:
            return self._draft(position, 0)
        except UnreadableSampleError:
            return None

    def _draft(self, position: int, attempt: int) -> Draft:
        address = self.order.replacement(position, attempt) if attempt else self.order.address(position)
        draw = random.Random(f"{self.order.seed}/{position}/{attempt}")
        return self.form.draft(self.reader.read(address), draw)

    def _usable_sample(
        self, position: int, skipped: Counter[str], tokens: int | None = None, first: Draft | None = None
    ) -> Sample:
        """The sample at `position` (whose draft may be there already) or, if it cannot be used, its first stand-in
        that can."""
        problem: Exception | None = None
        for attempt in range(STAND_INS):
            try:
                draft = first if first is not None and not attempt else self._draft(position, attempt)
                return self.form.sample(draft, tokens)
            except tuple(REASONS) as error:
                skipped[REASONS[type(error)]] += 1
                problem = error
        raise ValueError(
            f"{STAND_INS} samples of {self.reader.folder} in a row cannot be used (the last: {problem}); "
            "the dataset is broken, build or copy it again"
        )


def rank_lanes(batch_size: int, rank: int, ranks: int) -> range:
    """The lanes that `rank` of `ranks` serves; raises ValueError if the ranks cannot share the batch evenly."""
    if batch_size % ranks:
        raise ValueError(
            f"a batch_size of {batch_size} cannot be dealt to {ranks} processes evenly; "
            f"set training.batch_size to a multiple of {ranks}, or start another number of processes"
        )
    share = batch_size // ranks
    return range(rank * share, (rank + 1) * share)
