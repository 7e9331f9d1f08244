"""What the demo's Flamingo learned: its losses, with its own and with other images, and captions of held-out images."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from m3w.pipeline.demo_crawl.scenes import COLOURS, GROUNDS, SHAPES

PROMPT = "The picture shows"
CAPTIONS = 48
"""Held-out images that are captioned, drawn with a fixed seed."""
SHOWN = 6
"""Captions that are printed."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A held-out image with its caption on the page and the model's caption."""

    picture: bytes
    page: str
    model: str

    def matches(self) -> dict[str, bool]:
        """Whether the model names the ground, colour and shape of the object that the page names first."""
        page, model = naming(self.page), naming(self.model)
        return {name: word is not None and word == model[name] for name, word in page.items()}


@dataclass(frozen=True, kw_only=True)
class Results:
    """The curves of a training, and captions by its model."""

    losses: list[tuple[float, float]]
    """Step and training loss, nats per token."""
    held_out: list[tuple[float, float]]
    shuffled: list[tuple[float, float]]
    """Step and loss on held-out windows: with their own images, and with those of other documents."""
    captions: list[Caption]

    @property
    def uses_images(self) -> bool:
        """Whether the held-out loss is worse with the images of other documents."""
        return bool(self.held_out) and self.shuffled[-1][1] > self.held_out[-1][1]


def naming(sentence: str) -> dict[str, str | None]:
    """The ground, colour and shape that a caption names first; None for each that it does not name."""
    objects, _, ground = sentence.partition(" on a ")
    return {
        "ground": next((word for word in GROUNDS if ground.startswith(word)), None),
        "colour": _first(objects, COLOURS),
        "shape": _first(objects, SHAPES),
    }


CHOICES = {"ground": len(GROUNDS), "colour": len(COLOURS), "shape": len(SHAPES)}
"""Number of possible answers: one guess in that many is right."""


def _first(sentence: str, words: Iterable[str]) -> str | None:
    named = [word for word in words if word in sentence]
    return min(named, key=sentence.find, default=None)


def training_results(training: Path, dataset: str) -> Results:
    """The results of the training in the folder `training`."""
    from m3w.trainer.metrics.journal import read_metrics

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
    """Captions of `CAPTIONS` images of the validation split, each followed on its page by a text that describes it."""
    from m3w.trainer.evaluate.loaded_model import load_model
    from m3w.trainer.generate import caption_image

    pictures = list(_pictures(dataset))
    loaded = load_model(model_folder)
    captions = []
    for picture, page in random.Random(0).sample(pictures, min(CAPTIONS, len(pictures))):
        continuation = caption_image(loaded, picture, PROMPT)
        captions.append(Caption(picture=picture, page=page, model=f"{PROMPT} {continuation}".partition(".")[0]))
    return captions


def _pictures(dataset: str) -> Iterator[tuple[bytes, str]]:
    """The validation split's images, each with the first sentence of the text that describes it."""
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
