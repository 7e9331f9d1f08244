"""What the demo's Flamingo learnt: its losses, the look test, and captions of pictures it was not trained on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m3w.pipeline.demo_crawl.scenes import COLOURS, GROUNDS, SHAPES

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

    def right(self) -> dict[str, bool]:
        """Of the thing that the page names first: whether the model names its ground, colour and shape."""
        page, model = naming(self.page), naming(self.model)
        return {name: word is not None and word == model[name] for name, word in page.items()}


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


def naming(sentence: str) -> dict[str, str | None]:
    """Ground, colour and shape that a caption names first; None for what it does not name."""
    things, _, ground = sentence.partition(" on a ")
    return {
        "ground": next((word for word in GROUNDS if ground.startswith(word)), None),
        "colour": _first(things, COLOURS),
        "shape": _first(things, SHAPES),
    }


CHOICES = {"ground": len(GROUNDS), "colour": len(COLOURS), "shape": len(SHAPES)}
"""A guess is right once in so many."""


def _first(sentence: str, words: Iterable[str]) -> str | None:
    found = [(sentence.find(word), word) for word in words if word in sentence]
    return min(found)[1] if found else None


def results(training: Path, dataset: str) -> Results:
    """What the training in the folder `training` came to."""
    from m3w.trainer.journal import read_metrics

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
    from m3w.trainer.evaluate.loaded_model import load_model
    from m3w.trainer.generate import caption_image

    pictures = list(_pictures(dataset))
    loaded = load_model(model_folder)
    captions = []
    for picture, page in random.Random(0).sample(pictures, min(CAPTIONS, len(pictures))):
        said = caption_image(loaded, picture, PROMPT)
        captions.append(Caption(picture=picture, page=page, model=f"{PROMPT} {said}".partition(".")[0]))
    return captions


def _pictures(dataset: str) -> Any:
    from m3w.trainer.data.order import SampleAddress
    from m3w.trainer.data.sequences import SequenceReader

    reader = SequenceReader(dataset, "validation")
    for shard, samples in enumerate(reader.shard_sizes):
        for sample in range(samples):
            sequence = reader.read(SampleAddress(shard, sample))
            for content, position in zip(sequence.image_bytes, sequence.image_positions, strict=True):
                text = sequence.texts[position + 1] if position + 1 < len(sequence.texts) else None
                if text is not None and text.startswith(PROMPT):
                    yield content, text.partition(".")[0]
