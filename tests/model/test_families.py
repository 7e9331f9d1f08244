"""Every supported backbone, tiny and random."""

from __future__ import annotations

import pytest
import torch
from model_families import (
    IMAGE,
    LANGUAGE_MODELS,
    VISION_ENCODERS,
    VOCABULARY,
    flamingo,
    language_model,
    open_gates,
    pictures,
    vision_encoder,
)

from m3w.model import Flamingo

TEXT = torch.tensor([[5, 6, 7, 8, 9, 10, 11], [3, 4, 5, 9, 6, 7, 3]])
TAGGED = torch.tensor([[5, IMAGE, 6, 7, IMAGE, 8, 9], [3, 4, 5, IMAGE, 6, 7, IMAGE + 1]])
COUNTS = torch.tensor([2, 1])
EVERY_LANGUAGE_MODEL = pytest.mark.parametrize("family", LANGUAGE_MODELS)


@EVERY_LANGUAGE_MODEL
def test_gates_at_zero_give_the_language_models_own_logits_bit_for_bit(family: str) -> None:
    alone = language_model(family)
    mask = torch.tensor([[1] * 7, [1] * 5 + [0] * 2])
    expected = alone(TEXT, attention_mask=mask).logits
    model = Flamingo.from_backbones(language_model=alone, vision_encoder=vision_encoder(), head_dim=8).eval()
    given = model(TEXT, mask).logits
    assert torch.equal(given[..., :VOCABULARY], expected)
    assert given.shape[-1] == VOCABULARY + 2


@EVERY_LANGUAGE_MODEL
def test_only_new_parameters_get_gradients_and_all_of_them_do(family: str) -> None:
    model = flamingo(family)
    model(TAGGED, None, pictures(3), COUNTS, labels=TAGGED).loss.backward()
    for name, parameter in model.named_parameters():
        is_new = not name.startswith(("language_model.", "vision_encoder.")) or ".cross_attention." in name
        assert (parameter.grad is not None) == parameter.requires_grad == is_new, name
        assert parameter.grad is None or parameter.grad.abs().sum() > 0 or "temporal" in name, name


@EVERY_LANGUAGE_MODEL
def test_cached_and_uncached_logits_agree(family: str) -> None:
    model, mask = flamingo(family), torch.ones_like(TAGGED)
    whole = model(TAGGED, mask, pictures(3), COUNTS).logits
    step = model(TAGGED[:, :5], mask[:, :5], pictures(3), COUNTS, use_cache=True)
    steps = [step.logits]
    for at in (5, 6):
        step = model(TAGGED[:, at : at + 1], mask[:, : at + 1], past_key_values=step.past_key_values, use_cache=True)
        steps.append(step.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=2e-6, rtol=1e-5)


@EVERY_LANGUAGE_MODEL
def test_padding_on_either_side_changes_nothing(family: str) -> None:
    model, mask = flamingo(family), torch.ones_like(TAGGED)
    bare = model(TAGGED, mask, pictures(3), COUNTS).logits
    padding = torch.zeros(2, 3, dtype=torch.long)
    left = model(torch.cat((padding, TAGGED), 1), torch.cat((padding, mask), 1), pictures(3), COUNTS).logits
    right = model(torch.cat((TAGGED, padding), 1), torch.cat((mask, padding), 1), pictures(3), COUNTS).logits
    torch.testing.assert_close(left[:, 3:], bare, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(right[:, :7], bare, atol=2e-6, rtol=1e-5)


@EVERY_LANGUAGE_MODEL
def test_gradient_checkpointing_gives_the_same_gradients(family: str) -> None:
    gradients = []
    for checkpointing in (False, True):
        model = flamingo(family).train()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        torch.manual_seed(0)
        model(TAGGED, None, pictures(3), COUNTS, labels=TAGGED).loss.backward()
        gradients.append([parameter.grad for parameter in model.trainable_parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed, atol=1e-6, rtol=1e-4)


@EVERY_LANGUAGE_MODEL
def test_the_language_model_keeps_its_class_and_its_matrices(family: str) -> None:
    alone = language_model(family)
    before = {name: value.clone() for name, value in alone.state_dict().items()}
    kind, tied = type(alone), alone.get_input_embeddings().weight is alone.get_output_embeddings().weight
    model = Flamingo.from_backbones(language_model=alone, vision_encoder=vision_encoder(), head_dim=8)
    after = {name.replace(".block.", "."): value for name, value in model.language_model.state_dict().items()}
    assert type(model.language_model) is kind
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied


@pytest.mark.parametrize("vision", VISION_ENCODERS)
def test_every_vision_encoder_is_seen(vision: str) -> None:
    model = flamingo("opt", vision)
    first, second = (model(TAGGED, None, pictures(3, seed=seed), COUNTS).logits for seed in (3, 4))
    assert torch.equal(first[0, 0], second[0, 0])
    assert (first[0, 1:] - second[0, 1:]).abs().amax(-1).min() > 1e-5


@pytest.mark.parametrize("vision", VISION_ENCODERS)
def test_features_are_the_patches_without_summary_tokens(vision: str) -> None:
    model = flamingo("opt", vision)
    seen = []
    model.resampler.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1].shape))
    model.encode_images(pictures(3, frames=2))
    assert seen == [(3, 2 * 4, 24)]  # 28 px in patches of 14: 4 a frame


def test_the_frozen_encoder_stays_in_evaluation_mode_and_trains_when_thawed() -> None:
    model = flamingo("opt").train()
    assert model.resampler.training and model.language_model.training and not model.vision_encoder.training
    model.set_frozen(language_model=False, vision_encoder=False)
    open_gates(model)
    model(TAGGED, None, pictures(3), COUNTS, labels=TAGGED).loss.backward()
    assert model.vision_encoder.training
    assert sum(p.grad is not None for p in model.vision_encoder.parameters()) > 10
    assert all(p.grad is not None for p in model.language_model.parameters())


@pytest.mark.parametrize("form", ["autocast", "frozen_bf16_under_autocast", "all_bf16"])
def test_bfloat16_in_the_three_ways_it_is_used(form: str) -> None:
    model = flamingo("opt")
    expected = model(TAGGED, None, pictures(3), COUNTS, labels=TAGGED).loss
    if form == "all_bf16":
        model.to(torch.bfloat16)
    elif form == "frozen_bf16_under_autocast":
        for parameter in model.parameters():
            parameter.data = parameter.data if parameter.requires_grad else parameter.data.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=form != "all_bf16"):
        loss = model(TAGGED, None, pictures(3), COUNTS, labels=TAGGED).loss
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.03, rtol=0.01)
    wanted = torch.bfloat16 if form == "all_bf16" else torch.float32
    assert all(parameter.grad.dtype == wanted for parameter in model.trainable_parameters())


def test_a_row_does_not_depend_on_the_rest_of_the_batch() -> None:
    model, pixels = flamingo("llama"), pictures(3)
    together = model(TAGGED, None, pixels, COUNTS).logits
    alone = model(TAGGED[1:], None, pixels[2:], COUNTS[1:]).logits
    torch.testing.assert_close(together[1:], alone, atol=2e-6, rtol=1e-5)
