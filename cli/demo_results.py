"""What the demo's Flamingo learnt: its losses, the look test, and captions of pictures it was not trained on."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT = "The picture shows"
CAPTIONS = 48
"""Held-out pictures that are captioned, drawn with a fixed seed."""
SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A held-out picture, what its page says of it, and what the model says."""

    picture: bytes
    page: str
    model: str

    @property
    def right(self) -> bool:
        """The model names the colour, the shape and the ground of the thing that the page names first."""
        return naming(self.page) is not None and naming(self.page) == naming(self.model)


@dataclass(frozen=True, kw_only=True)
class Results:
    losses: list[tuple[float, float]]
    """Step and training loss, nats per token."""
    held_out: list[tuple[float, float]]
    shuffled: list[tuple[float, float]]
    """Step and loss on held-out windows: with their own images, and with those of other documents."""
    captions: list[Caption]

    @property
    def looks(self) -> bool:
        """Other documents' images make the held-out loss worse."""
        return bool(self.held_out) and self.shuffled[-1][1] > self.held_out[-1][1]


def naming(sentence: str) -> tuple[str, str, str] | None:
    """Colour, shape and ground that a caption names first; None if one of them is missing."""
    from pipeline.crawl.sample.scenes import COLOURS, GROUNDS, SHAPES

    def first(words: Any) -> str | None:
        found = [(sentence.find(word), word) for word in words if word in sentence]
        return min(found)[1] if found else None

    ground = sentence.partition(" on a ")[2]
    named = first(COLOURS), first(SHAPES), next((word for word in GROUNDS if ground.startswith(word)), None)
    return None if None in named else named  # type: ignore[return-value]


def combinations() -> int:
    """How many answers `naming` could give: a guess is right once in so many."""
    from pipeline.crawl.sample.scenes import COLOURS, GROUNDS, SHAPES

    return len(COLOURS) * len(SHAPES) * len(GROUNDS)


def results(training: Path, dataset: str) -> Results:
    """What the training in the folder `training` came to."""
    from trainer.journal import read_metrics

    lines = read_metrics(training)

    def curve(name: str) -> list[tuple[float, float]]:
        return [(line["step"], line[name]) for line in lines if line.get(name) is not None]

    return Results(
        losses=curve("loss"),
        held_out=curve("held_out_loss"),
        shuffled=curve("held_out_loss_shuffled_images"),
        captions=held_out_captions(training / "model", dataset),
    )


def held_out_captions(model_folder: Path, dataset: str) -> list[Caption]:
    """Captions of `CAPTIONS` pictures of the validation split, whose page names what they show right behind them."""
    from trainer.generate import caption_image, load_checkpoint

    pictures = list(_pictures(dataset))
    model, processor = load_checkpoint(model_folder)
    captions = []
    for picture, page in random.Random(0).sample(pictures, min(CAPTIONS, len(pictures))):
        said = caption_image(model, processor, picture, PROMPT)
        captions.append(Caption(picture=picture, page=page, model=f"{PROMPT} {said}"))
    return captions


def _pictures(dataset: str) -> Any:
    from trainer.data.order import SampleAddress
    from trainer.data.sequences import SequenceReader

    reader = SequenceReader(dataset, "validation")
    for shard, samples in enumerate(reader.shard_sizes):
        for sample in range(samples):
            sequence = reader.read(SampleAddress(shard, sample))
            for content, position in zip(sequence.image_bytes, sequence.image_positions, strict=True):
                text = sequence.texts[position + 1] if position + 1 < len(sequence.texts) else None
                if text is not None and text.startswith(PROMPT):
                    yield content, text.partition(".")[0]
