"""Saving and loading, whole and without the frozen backbones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_families import IMAGE, LANGUAGE_MODELS, flamingo, language_model, pictures, vision_encoder
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from m3w.model import Flamingo, FlamingoConfig

IDS = torch.tensor([[5, IMAGE, 6, 7, IMAGE + 1, 8]])


def logits(model: Flamingo) -> torch.Tensor:
    return model(IDS, None, pictures(1), torch.tensor([1])).logits


def same(one: torch.Tensor, other: torch.Tensor) -> None:
    """Equal but for the last bits: loaded tensors lie elsewhere in memory, and kernels differ with alignment."""
    torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("family", LANGUAGE_MODELS)
def test_a_saved_model_comes_back_the_same(family: str, tmp_path: Path) -> None:
    model = flamingo(family, resampler_frames=3, latent_width=16)
    model.save_pretrained(tmp_path)
    again = Flamingo.from_pretrained(tmp_path)
    same(logits(again), logits(model))
    assert {n for n, p in again.named_parameters() if p.requires_grad} == {
        n for n, p in model.named_parameters() if p.requires_grad
    }
    tied = [m.get_input_embeddings().weight is m.get_output_embeddings().weight for m in (model, again)]
    assert tied[0] == tied[1]
    assert not again.training


def test_auto_classes_know_the_model(tmp_path: Path) -> None:
    model = flamingo("opt")
    model.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), FlamingoConfig)
    for auto in (AutoModel, AutoModelForCausalLM):
        same(logits(auto.from_pretrained(tmp_path)), logits(model))
    assert Flamingo.from_pretrained(tmp_path, dtype=torch.bfloat16).resampler.latents.dtype == torch.bfloat16


@pytest.mark.parametrize("family", ["llama", "opt"])
def test_a_checkpoint_may_hold_only_what_was_trained(family: str, tmp_path: Path) -> None:
    language_model(family).save_pretrained(tmp_path / "lm")
    vision_encoder().save_pretrained(tmp_path / "vision")
    model = Flamingo.from_backbones(
        language_model=str(tmp_path / "lm"), vision_encoder=str(tmp_path / "vision"), head_dim=8, resampler_layers=1
    ).eval()
    for parameter in model.trainable_parameters():
        parameter.data.add_(0.05)
    model.save_pretrained(tmp_path / "out", trained_only=True)
    held = load_file(tmp_path / "out" / "model.safetensors")
    assert held.keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["language_model_name"] == str(tmp_path / "lm")
    again = Flamingo.from_pretrained(tmp_path / "out")
    same(logits(again), logits(model))
    given = Flamingo.from_pretrained(tmp_path / "out", language_model=language_model(family))
    same(logits(given), logits(model))
    again.save_pretrained(tmp_path / "whole")  # and what is whole again says so
    same(logits(Flamingo.from_pretrained(tmp_path / "whole")), logits(model))


def test_what_was_thawed_counts_as_trained(tmp_path: Path) -> None:
    language_model("opt").save_pretrained(tmp_path / "lm")
    vision_encoder().save_pretrained(tmp_path / "vision")
    model = Flamingo.from_backbones(
        language_model=str(tmp_path / "lm"), vision_encoder=str(tmp_path / "vision"), freeze_language_model=False, head_dim=8
    )  # fmt: skip
    model.get_input_embeddings().weight.data.add_(0.1)
    model.eval().save_pretrained(tmp_path / "out", trained_only=True)
    again = Flamingo.from_pretrained(tmp_path / "out")
    same(logits(again), logits(model))
    assert again.get_input_embeddings().weight.requires_grad


def test_a_backbone_without_a_name_cannot_be_left_out(tmp_path: Path) -> None:
    model = flamingo("llama")
    with pytest.raises(ValueError, match=r"config\.language_model_name is None"):
        model.save_pretrained(tmp_path, trained_only=True)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    model = flamingo("llama", language_model_name="a", vision_encoder_name="b")
    model.save_pretrained(tmp_path, trained_only=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "resampler_layers": 3}))
    with pytest.raises(ValueError, match=r"lacks 11 tensors of this model \['resampler"):
        Flamingo.from_pretrained(tmp_path, language_model=language_model("llama"), vision_encoder=vision_encoder())
    (tmp_path / "config.json").write_text(json.dumps({**config, "format_version": 2}))
    with pytest.raises(ValueError, match="format_version 2, this release reads up to 1"):
        Flamingo.from_pretrained(tmp_path)


def test_a_model_is_made_from_dictionaries_alone() -> None:
    config = FlamingoConfig(
        text_config={"model_type": "opt", "vocab_size": 30, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
        vision_config={"model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14},
        head_dim=8, resampler_layers=1, freeze_language_model=False, freeze_vision_encoder=False,
    )  # fmt: skip
    model = Flamingo(config)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert (config.image_token_id, config.end_of_chunk_token_id) == (30, 31)
    loss = model(torch.tensor([[3, 30, 4]]), None, pictures(1), torch.tensor([1]), torch.tensor([[3, 30, 4]])).loss
    assert 2 < loss < 6


def test_copies_are_independent() -> None:
    from copy import deepcopy

    model = flamingo("llama")
    copy, before = deepcopy(model), logits(model)
    copy.new_tokens.output_row.data.add_(1.0)
    assert torch.equal(logits(model), before)
    assert not torch.equal(logits(copy)[..., IMAGE + 1], before[..., IMAGE + 1])
