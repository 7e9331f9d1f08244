"""A language model from scratch learns the dataset's texts before a Flamingo freezes it."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from m3w.trainer.data.batch_slots import SampleFormat
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.recipe import LanguagePretrainingRecipe
from m3w.trainer.setup.language_pretraining import pretrain_language_model, token_rows


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


FORMAT = SampleFormat(
    tokenize=letters,
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
)


def test_rows_are_the_texts_one_document_behind_the_other_without_images(tmp_path, make_dataset, make_png):
    folder = make_dataset(tmp_path, {"train": [[["ab", make_png(), "cd"], ["efg"]]]})
    rows = token_rows(SequenceReader(str(folder), "train"), FORMAT, 4)
    assert rows.tolist() == [letters("ab\n\n"), [*letters("cd"), 3, ord("e")]]  # "fg" and its end fill no row


def test_a_dataset_without_one_row_of_text_is_an_error_that_says_so(tmp_path, make_dataset):
    folder = make_dataset(tmp_path, {"train": [[["ab"]]]})
    with pytest.raises(ValueError, match="less than one row of 100"):
        token_rows(SequenceReader(str(folder), "train"), FORMAT, 100)


def test_the_language_is_learnt(shapes_dataset):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    rows = token_rows(SequenceReader(str(shapes_dataset), "train"), FORMAT, 32)
    recipe = LanguagePretrainingRecipe(steps=100, batch_size=8, learning_rate=1e-2)
    losses = [loss for _, loss in pretrain_language_model(LlamaForCausalLM(config), rows, recipe)]
    assert losses[-1] < 0.5 * losses[0]
