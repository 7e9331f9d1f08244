"""Generation: with and without cache, beams, padding, several turns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_families import IMAGE, flamingo, pictures
from transformers import DynamicCache

NEVER = 999
"""No token ends an answer: lengths are alike."""


def tokens(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows)


PROMPT = tokens([5, IMAGE, 6, 7, IMAGE, 8], [3, 4, 5, IMAGE, 6, 7])
COUNTS = torch.tensor([2, 1])


def generate(model: Any, ids: torch.Tensor, pixels: Any, counts: Any, **options: Any) -> torch.Tensor:
    options = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 6, "eos_token_id": NEVER, **options}
    return model.generate(input_ids=ids, pixel_values=pixels, image_counts=counts, **options)


@pytest.mark.parametrize("family", ["llama", "opt", "mpt", "bloom", "gemma3_text", "gpt2"])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_beams": 3}, {"do_sample": True}, {"do_sample": True, "num_return_sequences": 2}],
    ids=["greedy", "beams", "sampling", "two_samples"],
)
def test_the_cache_changes_no_answer(family: str, options: dict[str, Any]) -> None:
    model, answers = flamingo(family), []
    for use_cache in (True, False):
        torch.manual_seed(0)
        answers.append(generate(model, PROMPT, pictures(3), COUNTS, use_cache=use_cache, **options))
    assert torch.equal(*answers)


def test_images_are_encoded_once_and_their_keys_computed_once() -> None:
    model = flamingo("llama")
    encoded, projected = [], []
    model.vision_encoder.register_forward_hook(lambda _, __, out: encoded.append(len(out.last_hidden_state)))
    for block in model.cross_attention_blocks:
        block.attention.key_value.register_forward_hook(lambda _, __, out: projected.append(len(out)))
    generate(model, PROMPT, pictures(3), COUNTS)
    assert encoded == [3]
    assert projected == [3] * len(model.cross_attention_blocks)


def test_beams_share_the_images_of_their_row() -> None:
    model = flamingo("llama")
    answer = model.generate(
        input_ids=PROMPT,
        attention_mask=torch.ones_like(PROMPT),
        pixel_values=pictures(3),
        image_counts=COUNTS,
        num_beams=4,
        max_new_tokens=3,
        return_dict_in_generate=True,
    )
    cache = answer.past_key_values
    assert cache.images == 3
    assert [len(key) for key, _ in cache.image_keys_values.values()] == [4] * 3  # nothing, and three images


def test_rows_answer_as_they_do_alone_whatever_their_images_and_length() -> None:
    model, pixels = flamingo("opt"), pictures(3)
    rows = [[5, IMAGE, 6, 7, IMAGE, 8], [3, 4, IMAGE, 6], [7, 8]]
    counts = [2, 1, 0]
    alone = [
        generate(model, tokens(row), part if len(part) else None, torch.tensor([len(part)]))[0, len(row) :]
        for row, part in zip(rows, pixels.split(counts), strict=True)
    ]
    for side in ("left", "right"):
        padded = [[0] * (6 - len(r)) + r if side == "left" else r + [0] * (6 - len(r)) for r in rows]
        mask = [
            [0] * (6 - len(r)) + [1] * len(r) if side == "left" else [1] * len(r) + [0] * (6 - len(r)) for r in rows
        ]
        together = generate(model, tokens(*padded), pixels, torch.tensor(counts), attention_mask=tokens(*mask))
        assert torch.equal(together[:, 6:], torch.stack(alone)), side


@pytest.mark.parametrize("given", ["all", "new"])
@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_a_later_turn_brings_new_images(family: str, given: str) -> None:
    model, pixels = flamingo(family), pictures(4)
    first = generate(model, PROMPT, pixels[[0, 1, 3]], COUNTS, return_dict_in_generate=True)
    question = tokens([4, IMAGE, 9], [9, 9, 4])  # an image for the first row only
    text = torch.cat((first.sequences, question), dim=1)
    every = pixels[[0, 1, 2, 3]], torch.tensor([3, 1])
    images = every if given == "all" else (pixels[[2]], torch.tensor([1, 0]))
    second = generate(model, text, *images, past_key_values=first.past_key_values)
    assert torch.equal(second, generate(model, text, *every))


def test_a_later_turn_without_new_images_keeps_seeing_the_old_ones() -> None:
    model, pixels = flamingo("llama"), pictures(3)
    first = generate(model, PROMPT, pixels, COUNTS, return_dict_in_generate=True)
    text = torch.cat((first.sequences, tokens([4, 9], [9, 3])), dim=1)
    second = generate(model, text, None, None, past_key_values=first.past_key_values)
    assert torch.equal(second, generate(model, text, pixels, COUNTS))


@pytest.mark.parametrize("use_cache", [True, False])
def test_phi_may_be_given_for_the_prompt(use_cache: bool) -> None:
    model, ids = flamingo("llama"), tokens([5, 6, IMAGE, 7, 8])
    default = torch.tensor([[0, 0, 1, 1, 1]])
    plain = generate(model, ids, pictures(1), torch.tensor([1]), use_cache=use_cache)
    same = generate(model, ids, pictures(1), torch.tensor([1]), phi=default, use_cache=use_cache)
    assert torch.equal(same, plain)
    logits = [model(ids, None, pictures(1), torch.tensor([1]), phi=phi).logits for phi in (default, default * 0 + 1)]
    assert not torch.equal(logits[0][:, 0], logits[1][:, 0])


def test_generation_stops_at_the_end_of_a_chunk_and_never_says_image() -> None:
    model = flamingo("llama")
    end = model.config.end_of_chunk_token_id
    model.new_tokens.output_row.data.fill_(0.0)
    logits = model(PROMPT, None, pictures(3), COUNTS).logits
    assert (logits[..., IMAGE] == torch.finfo(torch.float32).min).all()
    assert set(model.generation_config.eos_token_id) == {2, end}
    model.language_model.lm_head.weight.data.zero_()
    model.new_tokens.output_row.data.fill_(1e3)
    model.language_model.model.norm.weight.data.fill_(0.0)
    model.language_model.model.norm.register_forward_hook(lambda _, __, out: out + 1.0)
    answer = model.generate(input_ids=PROMPT, attention_mask=torch.ones_like(PROMPT), pixel_values=pictures(3), image_counts=COUNTS, max_new_tokens=5)  # fmt: skip
    assert answer[:, 6:].tolist() == [[end], [end]]


def test_a_cache_without_room_for_images_is_refused() -> None:
    model = flamingo("llama")
    with pytest.raises(ValueError, match="DynamicCache, which cannot store images"):
        model(PROMPT, None, pictures(3), COUNTS, past_key_values=DynamicCache())
    with pytest.raises(ValueError, match="'static', which cannot store images"):
        generate(model, PROMPT, pictures(3), COUNTS, cache_implementation="static")
