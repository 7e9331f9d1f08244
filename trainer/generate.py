"""Use of an exported model: a caption, a conversation about pictures, and the look test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from m3w.model import Flamingo, FlamingoProcessor
from m3w.trainer.data.batch_slots import BatchSlotDataset
from m3w.trainer.data.images import decode_image, to_pixels
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.evaluate.answering import answer
from m3w.trainer.evaluate.checkpoint import Asked, open_checkpoint
from m3w.trainer.evaluate.example import Media
from m3w.trainer.evaluate.pictures import Pictures
from m3w.trainer.evaluate.prompt import Chunk, Prompt
from m3w.trainer.evaluate.rows import Row
from m3w.trainer.metrics.loss import HeldOutLoss, held_out_loss, rank_batches
from m3w.trainer.recipe import DataRecipe
from m3w.trainer.setup.build import make_sample_format, pixel_format, special_tokens
from m3w.trainer.setup.tokenizer import Tokenize


def load_checkpoint(folder: str | Path) -> tuple[Flamingo, FlamingoProcessor]:
    """The model, in evaluation mode, and the processor of an exported training (its `model` folder)."""
    return Flamingo.from_pretrained(folder).eval(), FlamingoProcessor.from_pretrained(folder)


def caption(checkpoint: str | Path, image: bytes, prompt: str = "", *, max_new_tokens: int = 32) -> str:
    """The continuation of `prompt` after the picture `image` by the model in `checkpoint`, decoded greedily.

    Raises UndecodableImageError if `image` is not a picture.
    """
    return caption_image(*load_checkpoint(checkpoint), image, prompt, max_new_tokens=max_new_tokens)


@torch.no_grad()
def caption_image(
    model: Flamingo, processor: FlamingoProcessor, image: bytes, prompt: str = "", *, max_new_tokens: int = 32
) -> str:
    """Like `caption`, with a model in memory.

    The prompt has the form of the training data: `<|endofchunk|><image>`, then the text. The answer ends at the next
    `<|endofchunk|>` or at the end of the text.
    """
    special, pixels = special_tokens(processor), pixel_format(processor)
    beginning = [] if special.beginning_of_text is None else [special.beginning_of_text]
    ids = [*beginning, special.end_of_chunk, special.image, *Tokenize(processor.tokenizer)(prompt)]
    input_ids = torch.tensor([ids], device=model.device)
    output: Any = model.generate(
        input_ids=input_ids,
        attention_mask=torch.ones_like(input_ids),
        pixel_values=to_pixels(decode_image(image, pixels.size), pixels)[None, None].to(model.device),
        image_counts=torch.tensor([1], device=model.device),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=[special.end_of_chunk, special.end_of_text],
        pad_token_id=processor.tokenizer.pad_token_id,
    )
    text: str = processor.tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True)
    return text.strip()


def look_test(
    checkpoint: str | Path, dataset: str, *, data: DataRecipe | None = None, batches: int = 8, batch_size: int = 16
) -> HeldOutLoss:
    """Loss of the exported model on the dataset's validation windows, with the right and with shuffled images.

    `data` says how windows are drawn; its dataset and augmentation are ignored.
    """
    model, processor = load_checkpoint(checkpoint)
    recipe = (data or DataRecipe(dataset=dataset)).model_copy(update={"flip": False, "colour": False})
    reader = SequenceReader(dataset, "validation")
    windows = BatchSlotDataset(
        reader,
        SampleOrder(reader.shard_sizes, seed=0),
        make_sample_format(processor, recipe),
        batch_size=batch_size,
        batch_slots=range(batch_size),
        micro_batch_size=batch_size,
    )
    alone = Ranks(0, 1, torch.device("cpu"))
    return held_out_loss(model, rank_batches(windows, batches, alone), alone, precision="fp32")


FRAMES = 8
"""Frames read of a video."""


@dataclass
class Conversation:
    """A prompt that grows by pictures, questions and answers. As in training on pages, each picture is
    `<|endofchunk|><image>` with the text after it."""

    asked: Asked
    beams: int = 1
    tokens: int = 32
    """Most tokens of an answer."""
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def with_checkpoint(cls, folder: Path, *, beams: int = 1, tokens: int = 32) -> Conversation:
        """A conversation with the exported model in `folder`. Raises EvaluationError if it cannot be loaded."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(open_checkpoint(folder, device), beams, tokens)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.asked.processor, FRAMES)

    def show(self, path: str, text: str = "") -> None:
        """Add a picture or video and the text after it. Raises UnreadableMediaError, and then adds nothing."""
        media = Media(path=path)
        self.pictures.pixels(media)
        self.chunks.append(Chunk(media, text))

    def ask(self, text: str) -> str:
        """The model's answer to the conversation so far and `text`, both of which are kept for the next turn."""
        chunk = self.chunks.pop() if self.chunks else Chunk(None, "")
        before = f"{chunk.text} {text}".strip() if text else chunk.text
        chunks = (*self.chunks, Chunk(chunk.media, before))
        prompt = Prompt(chunks, starts_with_end_of_chunk=chunks[0].media is not None)
        row = Row(prompt.encode(self.asked.tokenize, self.asked.special), [*map(self.pictures.pixels, prompt.media)])
        tokenizer, special = self.asked.processor.tokenizer, self.asked.special
        (said,) = answer(
            self.asked.model,
            tokenizer,
            special,
            [row],
            max_new_tokens=self.tokens,
            beams=self.beams,
            length_penalty=1.0,
        )
        self.chunks.append(Chunk(chunk.media, f"{before} {said}".strip()))
        return said

    def forget(self) -> None:
        """Start a new conversation."""
        self.chunks.clear()
