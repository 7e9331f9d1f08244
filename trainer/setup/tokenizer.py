"""A small byte-level BPE tokenizer trained on a dataset's text, for models trained from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from m3w.trainer.data.sequences import SampleReader, UnreadableSampleError, addresses

END_OF_TEXT = "<|endoftext|>"

MAX_SEQUENCES = 20_000
"""Sequences read to train a tokenizer: a vocabulary of thousands converges long before."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocabulary` tokens. All bytes are among them, so no text is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT)


def dataset_texts(reader: SampleReader, sequences: int = MAX_SEQUENCES) -> Iterator[str]:
    """The text nodes of the first sequences of a dataset, without unreadable ones, which the loader counts."""
    for _, address in zip(range(sequences), addresses(reader), strict=False):
        try:
            yield from (text for text in reader.read(address).texts if text)
        except UnreadableSampleError:
            continue


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Text to token ids without special tokens; a class, so that it can be pickled for loader processes.

    The characters `<image>` in a page's text stand for no image: they are tokenized as characters.
    """

    tokenizer: Any

    def __call__(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids
