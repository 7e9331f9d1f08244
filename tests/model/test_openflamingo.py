"""OpenFlamingo's weights give OpenFlamingo's numbers."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import openflamingo_reference
import pytest
import torch
from model_families import VOCABULARY, flamingo, language_model, pictures, vision_encoder
from safetensors.torch import load_file
from tokenizers import Tokenizer, models
from transformers import CLIPImageProcessorPil, PreTrainedTokenizerFast

from m3w.model import Flamingo, FlamingoProcessor
from m3w.model.checkpoint import load_language_model, load_vision_encoder
from m3w.model.openflamingo import import_openflamingo, load_openflamingo
from m3w.model.openflamingo_names import read_checkpoint

GOLDEN = Path(__file__).parents[3] / "shared/data/openflamingo/opt_every1"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason=f"needs {GOLDEN}")
ARGUMENTS = {"cross_attention_interval": 1, "image_token_id": 511, "end_of_chunk_token_id": 510}


def golden() -> tuple[dict[str, torch.Tensor], Flamingo]:
    backbones = {"language_model": str(GOLDEN / "language_model"), "vision_encoder": str(GOLDEN / "vision_encoder")}
    model = load_openflamingo(GOLDEN / "checkpoint.pt", **backbones, **ARGUMENTS)
    return load_file(GOLDEN / "golden.safetensors"), model


@needs_golden
@torch.no_grad()
def test_the_same_weights_give_the_same_numbers() -> None:
    expected, model = golden()
    pixels, ids = expected["pixel_values"].flatten(0, 1), expected["input_ids"]
    counts = (ids == 511).sum(1)
    torch.testing.assert_close(model.encode_images(pixels), expected["resampled"].flatten(0, 1), atol=1e-5, rtol=0)
    given = model(ids, expected["attention_mask"], pixels, counts, expected["labels"])
    torch.testing.assert_close(given.logits, expected["logits"], atol=1e-5, rtol=0)
    torch.testing.assert_close(given.loss[None], expected["loss"], atol=1e-5, rtol=0)


@needs_golden
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_generation_gives_the_same_tokens(use_cache: bool) -> None:
    expected, model = golden()
    prompt = expected["generated"][:, :20]  # the first 20 tokens of row 0; eight are new
    assert torch.equal(prompt[0], expected["input_ids"][0, :20])
    answer = model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        pixel_values=expected["pixel_values"][0],
        image_counts=torch.tensor([3]),
        max_new_tokens=8,
        use_cache=use_cache,
    )
    assert torch.equal(answer, expected["generated"])


@needs_golden
def test_an_imported_checkpoint_is_saved_and_loaded_as_any_other(tmp_path: Path) -> None:
    backbones = {"language_model": str(GOLDEN / "language_model"), "vision_encoder": str(GOLDEN / "vision_encoder")}
    tokens = {"image_token_id": 511, "end_of_chunk_token_id": 510}
    model = import_openflamingo(GOLDEN / "checkpoint.pt", tmp_path, **backbones, **tokens)
    assert model.config.cross_attention_interval == 1  # read from the checkpoint
    again = Flamingo.from_pretrained(tmp_path)
    ids = torch.tensor([[3, 511, 7, 510]])
    call = (ids, None, torch.ones(1, 1, 3, 56, 56), torch.tensor([1]))
    torch.testing.assert_close(again(*call).logits, model(*call).logits)


@needs_golden
@torch.no_grad()
def test_the_slow_reference_is_openflamingo() -> None:
    expected, _ = golden()
    weights = torch.load(GOLDEN / "checkpoint.pt", weights_only=True)
    alone = load_language_model(str(GOLDEN / "language_model")).eval()
    alone.get_input_embeddings().weight.copy_(weights["lang_encoder.model.decoder.embed_tokens.weight"])
    clip = load_vision_encoder(str(GOLDEN / "vision_encoder")).eval()
    images = expected["pixel_values"][0, :, 0]
    latents = [openflamingo_reference.resample(weights, features) for features in clip(images).last_hidden_state[:, 1:]]
    length = int(expected["attention_mask"][0].sum())
    ids = expected["input_ids"][0, :length]
    given = openflamingo_reference.logits(weights, alone, "model.decoder.layers", ids, latents, 511)
    torch.testing.assert_close(given, expected["logits"][0, :length], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_gpt_neox_at_interval_2_gives_what_the_slow_reference_gives() -> None:
    alone, decoder, clip = language_model("gpt_neox", num_hidden_layers=5), "gpt_neox.layers", vision_encoder()
    weights = openflamingo_reference.random_checkpoint(alone, decoder, 2, vision_width=24)
    rows = torch.randn(2, VOCABULARY, 32, generator=torch.Generator().manual_seed(8))
    held = {**weights, "lang_encoder.gpt_neox.embed_in.weight": rows[0], "lang_encoder.embed_out.weight": rows[1]}
    held["lang_encoder.gpt_neox.layers.0.decoder_layer.attention.rotary_emb.inv_freq"] = torch.ones(4)
    model = load_openflamingo(
        held, language_model=deepcopy(alone), vision_encoder=clip, cross_attention_interval=2, image_token_id=39, end_of_chunk_token_id=38
    )  # fmt: skip
    assert model.config.cross_attention_layers == (1, 3)
    alone.get_input_embeddings().weight.copy_(rows[0])
    alone.get_output_embeddings().weight.copy_(rows[1])

    pixels = pictures(3)
    latents = [openflamingo_reference.resample(weights, seen[1:]) for seen in clip(pixels[:, 0]).last_hidden_state]
    torch.testing.assert_close(model.encode_images(pixels), torch.stack(latents), atol=1e-5, rtol=1e-5)
    ids = torch.tensor([[3, 39, 6, 7, 39, 8, 38, 4], [5, 4, 39, 6, 7, 8, 9, 2]])
    given = model(ids, torch.ones_like(ids), pixels, torch.tensor([2, 1]), labels=ids)
    expected = [
        openflamingo_reference.logits(weights, alone, decoder, row, images, 39)
        for row, images in ((ids[0], latents[:2]), (ids[1], latents[2:]))
    ]
    torch.testing.assert_close(given.logits, torch.stack(expected), atol=1e-4, rtol=1e-5)
    loss = torch.nn.functional.cross_entropy(torch.stack(expected)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(given.loss, loss, atol=1e-5, rtol=1e-5)

    said = ids[1]
    for _ in range(6):
        last = openflamingo_reference.logits(weights, alone, decoder, said, latents[2:], 39)[-1]
        said = torch.cat((said, last.argmax()[None]))
    answer = model.generate(
        input_ids=ids[1:], pixel_values=pixels[2:], image_counts=torch.tensor([1]), max_new_tokens=6, eos_token_id=999
    )
    assert answer[0].tolist() == said.tolist()


def test_the_language_models_own_tensors_are_loaded_and_what_has_no_place_is_refused() -> None:
    alone, clip, decoder = language_model("gpt_neox"), vision_encoder(), "gpt_neox.layers"
    weights = openflamingo_reference.random_checkpoint(alone, decoder, 1, vision_width=24)
    dense = "gpt_neox.layers.1.attention.dense.weight"
    own = {f"lang_encoder.{dense.replace('.1.', '.1.decoder_layer.')}": torch.ones(32, 32)}
    twice = {"lang_encoder.old_decoder_blocks.1.attention.dense.weight": torch.ones(32, 32)}
    call = {"vision_encoder": clip, "cross_attention_interval": 1, "image_token_id": 38, "end_of_chunk_token_id": 39}
    model = load_openflamingo({**weights, **own, **twice}, language_model=deepcopy(alone), **call)
    assert (model.language_model.get_parameter(dense.replace(".1.", ".1.block.")) == 1).all()
    for key in ("lang_encoder.gpt_neox.layers.1.other.weight", "vision_encoder.x", "perceiver.x"):
        with pytest.raises(ValueError, match=f"has the tensor {key}, which"):
            load_openflamingo({**weights, key: torch.ones(1)}, language_model=deepcopy(alone), **call)
    short = {"perceiver.latents": torch.ones(6, 25)}
    with pytest.raises(ValueError, match=r"the resampler: latents is \[6, 25\] in the checkpoint and \[6, 24\]"):
        load_openflamingo({**weights, **short}, language_model=deepcopy(alone), **call)
    with pytest.raises(ValueError, match="image_token_id 40 and end_of_chunk_token_id 39 lie outside the 40 rows"):
        load_openflamingo(weights, language_model=deepcopy(alone), **{**call, "image_token_id": 40})


def openflamingo_form(model: Flamingo, decoder: str, embedding: str) -> dict[str, torch.Tensor]:
    """The trainable tensors of `model` under OpenFlamingo's names, which are facts of its files."""
    inside_resampler = {
        "attention.query": "0.to_q", "attention.key_value": "0.to_kv", "attention.out": "0.to_out", "norm_features": "0.norm_media",
        "norm_latents": "0.norm_latents", "feed_forward.norm": "1.0", "feed_forward.expand": "1.1", "feed_forward.contract": "1.3",
    }  # fmt: skip
    inside_block = {
        "attention_gate": "attn_gate", "feed_forward_gate": "ff_gate", "norm": "attn.norm", "attention.query": "attn.to_q",
        "attention.key_value": "attn.to_kv", "attention.out": "attn.to_out", "feed_forward.norm": "ff.0",
        "feed_forward.expand": "ff.1", "feed_forward.contract": "ff.3",
    }  # fmt: skip
    named = {f"lang_encoder.{embedding}.weight": model.get_input_embeddings().weight}
    for key, value in model.resampler.state_dict().items():
        if key.startswith("layers."):
            _, number, rest = key.split(".", 2)
            part, kind = rest.rsplit(".", 1)
            key = f"layers.{number}.{inside_resampler[part]}.{kind}"
        named[f"perceiver.{key}"] = value
    for index, block in zip(model.config.cross_attention_layers, model.cross_attention_blocks, strict=True):
        for key, value in block.state_dict().items():
            part, _, kind = key.rpartition(".")
            theirs = f"{inside_block[part]}.{kind}" if part else inside_block[kind]
            named[f"lang_encoder.{decoder}.{index}.gated_cross_attn_layer.{theirs}"] = value
    return {key: value.detach().clone() for key, value in named.items()}


@pytest.mark.parametrize(
    ("family", "decoder", "embedding", "interval"),
    [
        ("gpt_neox", "gpt_neox.layers", "gpt_neox.embed_in", 2),
        ("mpt", "transformer.blocks", "transformer.wte", 1),
        ("llama", "m3w.model.layers", "model.embed_tokens", 3),
    ],
)
def test_other_families_and_intervals_go_through_the_same_code(
    family: str, decoder: str, embedding: str, interval: int
) -> None:
    options: dict[str, Any] = {
        "activation": "gelu", "head_dim": 64, "cross_attention_heads": 8, "resampler_heads": 8, "resampler_frames": 0,
        "cross_attention_interval": interval, "cross_attention_first": interval - 1, "image_token_id": 38, "end_of_chunk_token_id": 39,
    }  # fmt: skip
    source = flamingo(family, **options)
    inputs, outputs = source.get_input_embeddings().weight, source.get_output_embeddings().weight
    source.new_tokens.embedding.data.copy_(inputs[[38, 39]])
    source.new_tokens.output_row.data.copy_(outputs[[39]])
    checkpoint = {"module." + key: value for key, value in openflamingo_form(source, decoder, embedding).items()}
    model = load_openflamingo(
        {"model_state_dict": checkpoint, "epoch": 1},
        language_model=language_model(family),
        vision_encoder=vision_encoder(),
        cross_attention_interval=interval,
        image_token_id=38,
        end_of_chunk_token_id=39,
    )
    assert model.config.cross_attention_layers == tuple(range(interval - 1, 3, interval))
    call = (torch.tensor([[3, 38, 7, 39, 4]]), None, torch.ones(1, 1, 3, 28, 28), torch.tensor([1]))
    assert torch.equal(model(*call).logits, source(*call).logits)
    with pytest.raises(ValueError, match=r"has cross-attention before blocks \[.*give its own interval"):
        load_openflamingo(
            checkpoint,
            language_model=language_model(family),
            vision_encoder=vision_encoder(),
            cross_attention_interval=interval % 3 + 1,
            image_token_id=38,
            end_of_chunk_token_id=39,
        )


def test_what_is_no_openflamingo_checkpoint_is_refused() -> None:
    backbones = {"language_model": language_model("opt"), "vision_encoder": vision_encoder()}
    with pytest.raises(ValueError, match=r"has 1 tensors, no perceiver.latents \(first: \['x'\]\)"):
        load_openflamingo({"x": torch.zeros(1)}, **backbones, **ARGUMENTS)


def test_token_ids_are_those_that_openflamingo_gave_and_the_interval_is_read(tmp_path: Path) -> None:
    words = Tokenizer(models.WordLevel({str(number): number for number in range(38)}, unk_token="0"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="0", eos_token="2").save_pretrained(tmp_path / "lm")
    language_model("gpt_neox").save_pretrained(tmp_path / "lm")
    vision_encoder().save_pretrained(tmp_path / "vision")
    CLIPImageProcessorPil(size={"shortest_edge": 28}).save_pretrained(tmp_path / "vision")
    source = flamingo("gpt_neox", activation="gelu", head_dim=64, cross_attention_heads=8, resampler_heads=8, resampler_frames=0, cross_attention_interval=2, cross_attention_first=1)  # fmt: skip
    checkpoint = openflamingo_form(source, "gpt_neox.layers", "gpt_neox.embed_in")
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    folders = {"language_model": str(tmp_path / "lm"), "vision_encoder": str(tmp_path / "vision")}
    model = import_openflamingo(tmp_path / "checkpoint.pt", tmp_path / "out", **folders)
    config, processor = model.config, FlamingoProcessor.from_pretrained(tmp_path / "out")
    assert config.cross_attention_layers == (1,)
    assert (config.end_of_chunk_token_id, config.image_token_id) == (38, 39)
    assert (processor.end_of_chunk_token_id, processor.image_token_id, processor.image_size) == (38, 39, 28)
    language_model("gpt_neox").save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"bare has no tokenizer, so the ids of <image> and .* are unknown"):
        import_openflamingo(
            tmp_path / "checkpoint.pt", tmp_path / "out", **{**folders, "language_model": str(tmp_path / "bare")}
        )
    with pytest.raises(ValueError, match="none of the checkpoint's 1 tensors"):
        read_checkpoint({"perceiver.latents": torch.zeros(1)})
