"""The text that a query is asked in: supports before it, each a picture and its answer.

    <image>Output: a cat asleep.<|endofchunk|><image>Output:

Flamingo (arXiv 2204.14198), appendix A.2. Without shots two exemplars stand there as text alone, their
pictures left out, to show the form of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from m3w.model.processor import END_OF_CHUNK_TOKEN, IMAGE_TOKEN
from m3w.recipes.errors import InputError
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.evaluate.example import Example, Media
from m3w.trainer.evaluate.task import Task


@dataclass(frozen=True, slots=True)
class Chunk:
    """A picture, unless it is left out, and the text on it."""

    media: Media | None
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Chunks, the last of them the query's, whose answer is open."""

    chunks: tuple[Chunk, ...]
    starts_with_end_of_chunk: bool = False
    """As in training on pages, where the token stands before every image; the paper's prompts have none there."""

    @property
    def media(self) -> list[Media]:
        """The pictures in the order of their tags."""
        return [chunk.media for chunk in self.chunks if chunk.media is not None]

    def shown(self) -> str:
        """The prompt as a person reads it."""
        chunks = [("" if chunk.media is None else IMAGE_TOKEN) + chunk.text for chunk in self.chunks]
        return (END_OF_CHUNK_TOKEN if self.starts_with_end_of_chunk else "") + END_OF_CHUNK_TOKEN.join(chunks)

    def encode(self, tokenize: Callable[[str], list[int]], special: SpecialTokens) -> list[int]:
        """Token ids; a text that says `<image>` itself brings no image."""
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
    """The prompt of `query` behind `supports`, which come without their pictures if `text_only`.

    `query_media` takes the place of the query's own picture.
    """
    before = tuple(
        Chunk(None if text_only else support.media, filled(task, support) + answered(task, support.answer))
        for support in supports
    )
    last = Chunk(query.media if query_media is None else query_media, filled(task, query))
    return Prompt((*before, last), starts_with_end_of_chunk)


def filled(task: Task, example: Example) -> str:
    """The task's prompt with the example's fields. Raises InputError for a field that it does not have."""
    try:
        return task.prompt.format(**example.fields)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"the prompt {task.prompt!r} cannot be filled for {example.key} ({type(error).__name__}: {error}); "
            f"its fields are {', '.join(example.fields) or 'none'}"
        ) from error


def answered(task: Task, answer: str) -> str:
    """An answer as it stands behind the prompt."""
    return task.answer.format(answer=answer)


def answer_ids(prompt: str, answer: str, tokenize: Callable[[str], list[int]]) -> list[int]:
    """The tokens of `answer` where it goes on from `prompt`.

    Both are tokenised in one: a tokenizer that marks beginnings of words would mark `answer` alone otherwise. Where
    the two melt into one token, `answer` is tokenised by itself.
    """
    before, whole = tokenize(prompt), tokenize(prompt + answer)
    return whole[len(before) :] if whole[: len(before)] == before else tokenize(answer)
