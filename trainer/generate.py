"""Captions by an exported model, and the test whether it looks at its pictures."""

from __future__ import annotations

from pathlib import Path

import torch

from m3w.trainer.build import sample_form
from m3w.trainer.data.images import decode_image
from m3w.trainer.data.lanes import LaneDataset
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.evaluate.answers import generate_answers
from m3w.trainer.evaluate.inputs import Chunk, Prompt, Row
from m3w.trainer.evaluate.loaded_model import LoadedModel, load_model
from m3w.trainer.evaluate.tasks.source import Media
from m3w.trainer.held_out import HeldOutLoss, held_out_loss, rank_batches
from m3w.trainer.ranks import Ranks
from m3w.trainer.recipe import DataRecipe


def caption(checkpoint: str | Path, image: bytes, prompt: str = "", *, max_new_tokens: int = 32) -> str:
    """The greedy caption of the picture in `image`, after `prompt`, by the exported model in the folder `checkpoint`.

    Raises UndecodableImageError if `image` is no picture.
    """
    return caption_image(load_model(Path(checkpoint)), image, prompt, max_new_tokens=max_new_tokens)


def caption_image(loaded: LoadedModel, image: bytes, prompt: str = "", *, max_new_tokens: int = 32) -> str:
    """As `caption`, by a model in memory. It ends at the next `<|endofchunk|>` or at the end of the text."""
    row = picture_row(loaded, image, prompt)
    (text,) = generate_answers(loaded, [row], max_new_tokens=max_new_tokens, beams=1)
    return text


def picture_row(loaded: LoadedModel, image: bytes, text: str) -> Row:
    """One picture and the text after it, as on pages in training: `<|endofchunk|><image>`, then the text.

    Raises UndecodableImageError if `image` is no picture.
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
    lanes = LaneDataset(
        reader,
        SampleOrder(reader.shard_sizes, seed=0),
        sample_form(loaded.processor, recipe),
        batch_size=batch_size,
        lanes=range(batch_size),
        micro_batch_size=batch_size,
    )
    alone = Ranks(0, 1, torch.device("cpu"))
    return held_out_loss(loaded.model, rank_batches(lanes, batches, alone), alone, precision="fp32")
