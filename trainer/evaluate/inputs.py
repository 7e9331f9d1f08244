"""The preprocessing of inference: texts, pictures and videos to the inputs of a Flamingo.

Evaluation, fine-tuning, `m3w generate`, the demo's captions and lmms-eval all go through here: a `Prompt` gives the
token ids, the model's `FlamingoProcessor` the pixels, and `batch_rows` pads and stacks them.
The processor's own call takes text with `<image>` tags; here texts are tokenised one by one, so that a tag in a
benchmark's text brings no picture and the tokens of an answer are known. Both give the same ids for the same text.

    <image>Output: a cat asleep.<|endofchunk|><image>Output:

The prompt is that of Flamingo (arXiv 2204.14198), appendix A.2: supports, each a picture and its answer, then the
query. Without shots it shows two supports as text alone, without their pictures, to show the form of an answer.

Shapes: B rows, L tokens, N images, T frames, S side of the square in pixels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from m3w.model import FlamingoProcessor
from m3w.model.processor import END_OF_CHUNK_TOKEN, IMAGE_TOKEN
from m3w.recipes.errors import InputError
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.evaluate.media import UnreadableMediaError, read_frames
from m3w.trainer.evaluate.task import Task
from m3w.trainer.evaluate.tasks.source import Example, Media

CACHE_BYTES = 512 * 2**20
"""The most that `PixelCache` holds."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A picture or video, or None, and the text after it."""

    media: Media | None
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A list of chunks. The last one is the query's; the model continues its text."""

    chunks: tuple[Chunk, ...]
    starts_with_end_of_chunk: bool = False
    """As in training on pages, where the token precedes every image; the paper's prompts do not start with it."""

    @property
    def media(self) -> list[Media]:
        """The pictures in the order of their `<image>` tokens."""
        return [chunk.media for chunk in self.chunks if chunk.media is not None]

    def to_text(self) -> str:
        """The prompt as a person reads it."""
        chunks = [("" if chunk.media is None else IMAGE_TOKEN) + chunk.text for chunk in self.chunks]
        return (END_OF_CHUNK_TOKEN if self.starts_with_end_of_chunk else "") + END_OF_CHUNK_TOKEN.join(chunks)

    def encode(self, tokenize: Callable[[str], list[int]], special: SpecialTokens) -> list[int]:
        """The token ids. An `<image>` inside a chunk's text stays text and has no picture."""
        ids = [] if special.beginning_of_text is None else [special.beginning_of_text]
        for number, chunk in enumerate(self.chunks):
            if number or self.starts_with_end_of_chunk:
                ids.append(special.end_of_chunk)
            if chunk.media is not None:
                ids.append(special.image)
            ids += tokenize(chunk.text)
        return ids


def write_prompt(
    task: Task,
    query: Example,
    supports: Sequence[Example],
    *,
    text_only: bool = False,
    query_media: Media | None = None,
    starts_with_end_of_chunk: bool = False,
) -> Prompt:
    """The prompt of `query` after `supports`, which lose their pictures with `text_only`.

    `query_media` replaces the query's own picture. Raises InputError if the task's prompt names a field that an
    example lacks.
    """
    shots = tuple(
        Chunk(None if text_only else support.media, _fill(task, support) + format_answer(task, support.answer))
        for support in supports
    )
    last = Chunk(query.media if query_media is None else query_media, _fill(task, query))
    return Prompt((*shots, last), starts_with_end_of_chunk)


def _fill(task: Task, example: Example) -> str:
    try:
        return task.prompt.format(**example.fields)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"the prompt {task.prompt!r} cannot be filled for {example.key} ({type(error).__name__}: {error}); "
            f"its fields are {', '.join(example.fields) or 'none'}"
        ) from error


def format_answer(task: Task, answer: str) -> str:
    """An answer as the task writes it after the prompt."""
    return task.answer.format(answer=answer)


def answer_ids(prompt: str, answer: str, tokenize: Callable[[str], list[int]]) -> list[int]:
    """The tokens of `answer` as the continuation of `prompt`.

    Both are tokenised together, since some tokenizers mark the beginning of a text and would mark `answer` alone. Where
    the end of `prompt` and the start of `answer` merge into one token, `answer` is tokenised on its own.
    """
    prompt_ids, ids = tokenize(prompt), tokenize(prompt + answer)
    return ids[len(prompt_ids) :] if ids[: len(prompt_ids)] == prompt_ids else tokenize(answer)


class PixelCache:
    """Pixels of pictures and videos as the processor's model takes them, the last ones kept: supports recur."""

    def __init__(self, processor: FlamingoProcessor, frames: int) -> None:
        self.processor, self.frames, self.size = processor, frames, processor.image_size
        self.unreadable: dict[str, str] = {}
        """Why each path that could not be read could not."""
        self._cached: OrderedDict[Media, Tensor] = OrderedDict()
        self._bytes = 0

    def pixels(self, media: Media) -> Tensor:
        """frames_T3SS; T is 1 for a picture, `frames` for a video. Raises UnreadableMediaError, on every call."""
        if media.path in self.unreadable:
            raise UnreadableMediaError(self.unreadable[media.path])
        if media not in self._cached:
            self._add(media, self._read(media))
        self._cached.move_to_end(media)
        return self._cached[media]

    def is_readable(self, media: Media) -> bool:
        try:
            self.pixels(media)
        except UnreadableMediaError:
            return False
        return True

    def _read(self, media: Media) -> Tensor:
        try:
            return self.processor.pixels(read_frames(media, size=self.size, frames=self.frames))
        except UnreadableMediaError as error:
            self.unreadable[media.path] = " ".join(str(error).split())
            raise

    def _add(self, media: Media, pixels: Tensor) -> None:
        self._cached[media] = pixels
        self._bytes += pixels.nbytes
        while self._bytes > CACHE_BYTES and len(self._cached) > 1:
            _, oldest = self._cached.popitem(last=False)
            self._bytes -= oldest.nbytes


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt, ready for the model."""

    ids: list[int]
    pixels: list[Tensor]
    """frames_T3SS of each picture, in the order of the `<image>` tokens."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts padded at the left to one length; pictures row by row."""

    input_ids_BL: Tensor
    mask_BL: Tensor
    pixels: Tensor | None
    """[N, T, 3, S, S]"""
    counts_B: Tensor
    """Pictures of each row."""

    def arguments(self) -> dict[str, Tensor]:
        """The keyword arguments of `Flamingo.forward` and `generate`."""
        arguments = {"input_ids": self.input_ids_BL, "attention_mask": self.mask_BL, "image_counts": self.counts_B}
        return arguments if self.pixels is None else {**arguments, "pixel_values": self.pixels}


def batch_rows(rows: list[Row], padding: int, device: torch.device) -> Batch:
    """The rows as one batch. Raises ValueError if their pictures differ in their number of frames."""
    longest = max(len(row.ids) for row in rows)
    ids = [[padding] * (longest - len(row.ids)) + row.ids for row in rows]
    mask = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
    pixels = [frames for row in rows for frames in row.pixels]
    return Batch(
        torch.tensor(ids, device=device),
        torch.tensor(mask, device=device),
        FlamingoProcessor.stack(pixels).to(device) if pixels else None,
        torch.tensor([len(row.pixels) for row in rows], device=device),
    )
