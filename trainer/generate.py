"""Use of an exported model: a caption, a conversation about pictures, and the look test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from m3w.trainer.data.batch_slots import BatchSlotDataset
from m3w.trainer.data.images import decode_image
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.evaluate.answers import generate_answers
from m3w.trainer.evaluate.inputs import Chunk, PixelCache, Prompt, Row
from m3w.trainer.evaluate.loaded_model import LoadedModel, load_model
from m3w.trainer.evaluate.tasks.source import Media
from m3w.trainer.metrics.loss import HeldOutLoss, held_out_loss, rank_batches
from m3w.trainer.recipe import DataRecipe
from m3w.trainer.setup.build import make_sample_format

FRAMES = 8
"""Frames read of a video."""


def caption(checkpoint: str | Path, image: bytes, prompt: str = "", *, max_new_tokens: int = 32) -> str:
    """The continuation of `prompt` after the picture `image` by the exported model in `checkpoint`, decoded greedily.

    Raises UndecodableImageError if `image` is not a picture.
    """
    return caption_image(load_model(Path(checkpoint)), image, prompt, max_new_tokens=max_new_tokens)


def caption_image(loaded: LoadedModel, image: bytes, prompt: str = "", *, max_new_tokens: int = 32) -> str:
    """Like `caption`, with a model in memory.

    The caption ends at the next `<|endofchunk|>` or at the end of the text.
    """
    row = picture_row(loaded, image, prompt)
    (text,) = generate_answers(loaded, [row], max_new_tokens=max_new_tokens, beams=1)
    return text


def picture_row(loaded: LoadedModel, image: bytes, text: str) -> Row:
    """A picture and the text after it, in the form of the training data: `<|endofchunk|><image>`, then the text.

    Raises UndecodableImageError if `image` is not a picture.
    """
    pixels = loaded.processor.pixels(decode_image(image, loaded.processor.image_size))
    prompt = Prompt((Chunk(Media(path=""), text),), starts_with_end_of_chunk=True)
    return loaded.row(prompt, lambda _: pixels)


def look_test(
    checkpoint: str | Path, dataset: str, *, data: DataRecipe | None = None, batches: int = 8, batch_size: int = 16
) -> HeldOutLoss:
    """Loss of the exported model on the dataset's validation windows, with the right and with shuffled images.

    `data` says how windows are drawn; its dataset and augmentation are ignored.
    """
    loaded = load_model(Path(checkpoint))
    recipe = (data or DataRecipe(dataset=dataset)).model_copy(update={"flip": False, "colour": False})
    reader = SequenceReader(dataset, "validation")
    windows = BatchSlotDataset(
        reader,
        SampleOrder(reader.shard_sizes, seed=0),
        make_sample_format(loaded.processor, recipe),
        batch_size=batch_size,
        batch_slots=range(batch_size),
        micro_batch_size=batch_size,
    )
    alone = Ranks(0, 1, torch.device("cpu"))
    return held_out_loss(loaded.model, rank_batches(windows, batches, alone), alone, precision="fp32")


@dataclass
class Conversation:
    """A prompt that grows by pictures, questions and answers. As in training on pages, each picture is
    `<|endofchunk|><image>` with the text after it."""

    loaded: LoadedModel
    beams: int = 1
    tokens: int = 32
    """Most tokens of an answer."""
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def with_checkpoint(cls, folder: Path, *, beams: int = 1, tokens: int = 32) -> Conversation:
        """A conversation with the exported model in `folder`. Raises InputError if it cannot be loaded."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(load_model(folder, device), beams, tokens)

    def __post_init__(self) -> None:
        self.cache = PixelCache(self.loaded.processor, FRAMES)

    def show(self, path: str, text: str = "") -> None:
        """Add a picture or video and the text after it. Raises UnreadableMediaError, and then adds nothing."""
        media = Media(path=path)
        self.cache.pixels(media)
        self.chunks.append(Chunk(media, text))

    def ask(self, text: str) -> str:
        """The model's answer to the conversation so far and `text`, both of which are kept for the next turn."""
        chunk = self.chunks.pop() if self.chunks else Chunk(None, "")
        question = f"{chunk.text} {text}".strip() if text else chunk.text
        chunks = (*self.chunks, Chunk(chunk.media, question))
        prompt = Prompt(chunks, starts_with_end_of_chunk=chunks[0].media is not None)
        row = self.loaded.row(prompt, self.cache.pixels)
        (answer,) = generate_answers(self.loaded, [row], max_new_tokens=self.tokens, beams=self.beams)
        self.chunks.append(Chunk(chunk.media, f"{question} {answer}".strip()))
        return answer

    def forget(self) -> None:
        """Start a new conversation."""
        self.chunks.clear()
