"""Bad input is a ValueError that names the numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from model_families import IMAGE, VOCABULARY, flamingo, language_model, pictures, vision_encoder
from transformers import BertConfig, BertLMHeadModel

from m3w.model import Flamingo, FlamingoConfig

IDS = torch.tensor([[5, IMAGE, 6, IMAGE], [3, 4, 5, IMAGE]])
ONE_IMAGE = {"pixel_values": pictures(3), "image_counts": torch.tensor([2, 1])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_values": pictures(2), "image_counts": torch.tensor([1, 1])}, "row 0 has 2 <image> tags and 1 images"),
        ({"pixel_values": pictures(4), "image_counts": torch.tensor([2, 2])}, "row 1 has 1 <image> tags and 2 images"),
        ({"pixel_values": pictures(4)}, r"[2, 1] add up to 3 and pixel_values has 4 images"),
        ({"pixel_values": None, "image_counts": None}, "row 0 has 2 <image> tags and 0 images"),
        ({"image_counts": torch.tensor([3])}, "image_counts has 1 entries and input_ids 2 rows"),
        ({"phi": torch.tensor([[0, 1, 1, 3], [0, 0, 0, 1]])}, "phi of row 0 goes from 0 to 3 and the row has 2 images"),
        (
            {"phi": torch.tensor([[0, 1, 1, 2], [-1, 0, 0, 1]])},
            "phi of row 1 goes from -1 to 1 and the row has 1 images",
        ),
        ({"phi": torch.zeros(2, 3, dtype=torch.long)}, "phi has shape [2, 3] and input_ids [2, 4]"),
        ({"pixel_values": torch.zeros(3, 1, 4, 28, 28)}, "pixel_values has 4 channels (shape [3, 1, 4, 28, 28])"),
        ({"pixel_values": torch.zeros(3, 3, 28, 28)}, "pixel_values has shape [3, 3, 28, 28]"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        flamingo("llama")(IDS, **{**ONE_IMAGE, **change})


def test_a_language_model_without_decoder_blocks_says_why() -> None:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 30}
    model = BertLMHeadModel(BertConfig(num_hidden_layers=1, is_decoder=True, **sizes))
    model.bert.encoder.layer = torch.nn.Sequential(*model.bert.encoder.layer)
    with pytest.raises(ValueError, match="has 0 lists of its num_hidden_layers = 1 blocks"):
        Flamingo.from_backbones(language_model=model, vision_encoder=vision_encoder(), head_dim=8)


def test_a_language_model_that_hands_its_blocks_nothing_is_refused_at_the_first_call() -> None:
    model = Flamingo.from_backbones(language_model=language_model("llama"), vision_encoder=vision_encoder(), head_dim=8)
    for layer in model.language_model.model.layers:  # as a decoder does that keeps the keywords of its call to itself
        taking_all = layer.forward
        layer.forward = lambda hidden, cross_attention=None, f=taking_all, **kept: f(hidden, **kept)
    with pytest.raises(ValueError, match=r"LlamaForCausalLM.*3 of 3 cross-attention blocks were not reached"):
        model(IDS, **ONE_IMAGE)


def test_a_language_model_in_another_flamingo_is_refused() -> None:
    used = flamingo("llama").language_model
    with pytest.raises(ValueError, match="block 0 of the LlamaForCausalLM has cross-attention already"):
        Flamingo.from_backbones(language_model=used, vision_encoder=vision_encoder(), head_dim=8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format_version": 2}, "format_version 2, this release reads up to 1"),
        ({"activation": "silu"}, "activation is 'silu'"),
        ({"attend": "some"}, "attend is 'some'"),
        ({"head_dim": 0}, "head_dim is 0"),
        ({"cross_attention_interval": 0}, "cross_attention_interval is 0"),
        ({"cross_attention_first": 3}, "cross_attention_first is 3 and the language model has 3 blocks"),
        ({"image_token_id": 7, "end_of_chunk_token_id": 7}, "are both 7"),
        ({"vision_config": {"model_type": "timm_wrapper"}}, "how many channels"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    backbones = {"text_config": language_model("llama").config, "vision_config": vision_encoder().config}
    with pytest.raises(ValueError, match=re.escape(message)):
        FlamingoConfig(**{**backbones, **fields})


def test_without_images_the_model_reads_text_and_every_new_parameter_gets_a_gradient() -> None:
    model = flamingo("llama")
    ids = torch.tensor([[5, 6, 7, 8]])
    none = torch.zeros(0, 1, 3, 28, 28)
    logits = model(ids).logits
    assert torch.equal(model(ids, None, none, torch.tensor([0])).logits, logits)
    model(ids, None, none, torch.tensor([0]), labels=ids).loss.backward()
    assert all(parameter.grad is not None for parameter in model.trainable_parameters())


def test_the_loss_is_the_mean_over_labels_that_count() -> None:
    model = flamingo("llama")
    labels = torch.tensor([[5, IMAGE, -100, 8], [3, -100, 5, 7]])
    given = model(IDS, **ONE_IMAGE, labels=labels)
    chosen = [(0, 2, 8), (1, 1, 5), (1, 2, 7)]  # not the first, not -100, not <image>
    expected = -torch.stack([given.logits[row, at].log_softmax(-1)[label] for row, at, label in chosen]).mean()
    torch.testing.assert_close(given.loss, expected)
    assert model(IDS, **ONE_IMAGE, labels=torch.full_like(IDS, -100)).loss == 0
    assert given.logits.shape == (2, 4, VOCABULARY + 2)
