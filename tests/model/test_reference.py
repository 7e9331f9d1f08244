"""`Flamingo` in fp32 against a slow reference, written from the paper's pseudo-code, loop by loop.

Appendix A.1.1 and A.1.2 of arXiv 2204.14198, with the norms that the text names; every token by itself.
"""

from __future__ import annotations

import math

import torch
from model_families import IMAGE, flamingo, pictures
from torch import Tensor
from torch.nn import functional as F

from m3w.model import Flamingo
from m3w.model.config import FlamingoConfig


def attend(weights: dict[str, Tensor], query: Tensor, memory: Tensor, heads: int) -> Tensor:
    """One query vector to the rows of `memory`."""
    q = weights["attention.query.weight"] @ query
    keys, values = (memory @ weights["attention.key_value.weight"].T).chunk(2, dim=-1)
    size = len(q) // heads
    outs = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = torch.stack([torch.dot(q[part], key[part]) / math.sqrt(size) for key in keys])
        outs.append(sum(p * v[part] for p, v in zip(scores.softmax(0), values, strict=True)))
    return weights["attention.out.weight"] @ torch.cat(outs)


def norm(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])


def feed_forward(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    hidden = weights["feed_forward.expand.weight"] @ norm(weights, "feed_forward.norm", x)
    return weights["feed_forward.contract.weight"] @ hidden.clamp(min=0) ** 2


def resample(weights: dict[str, Tensor], features: Tensor, config: FlamingoConfig) -> Tensor:
    """features [T, S, V] of one image or video to its latents [R, V]."""
    features = torch.cat([frame + weights["temporal"][t] for t, frame in enumerate(features)])
    x = weights["latents"]
    for number in range(config.resampler_layers):
        layer = {
            k.removeprefix(f"layers.{number}."): v for k, v in weights.items() if k.startswith(f"layers.{number}.")
        }
        normed = norm(layer, "norm_latents", x)
        memory = torch.cat((norm(layer, "norm_features", features), normed))
        x = x + torch.stack([attend(layer, query, memory, config.resampler_heads) for query in normed])
        x = x + torch.stack([feed_forward(layer, row) for row in x])
    return norm(weights, "norm", x)


def gated_block(weights: dict[str, Tensor], token: Tensor, latents: Tensor | None, heads: int) -> Tensor:
    if latents is not None:
        seen = attend(weights, norm(weights, "norm", token), latents, heads)
        token = token + torch.tanh(weights["attention_gate"]) * seen
    return token + torch.tanh(weights["feed_forward_gate"]) * feed_forward(weights, token)


def reference_logits(model: Flamingo, ids: Tensor, images: list[Tensor]) -> Tensor:
    """Logits of one row of text, without padding; `images` are [T, 3, H, W], in the order of their tags."""
    config = model.config
    features = [model.vision_encoder(pixel_values=image).last_hidden_state[:, 1:] for image in images]
    latents = [resample(dict(model.resampler.named_parameters()), x, config) for x in features]
    lm, new = model.language_model.model, model.new_tokens
    own = {config.image_token_id: new.embedding[0], config.end_of_chunk_token_id: new.embedding[1]}
    hidden = torch.stack([own.get(i, lm.embed_tokens.weight[i if i < 40 else 0]) for i in ids.tolist()])
    names = [ids[: at + 1].eq(IMAGE).sum().item() for at in range(len(ids))]
    positions = torch.arange(len(ids))[None]
    angles = lm.rotary_emb(hidden[None], positions)
    causal = torch.full((len(ids), len(ids)), -torch.inf).triu(1)[None, None]
    for number, layer in enumerate(lm.layers):
        if number in config.cross_attention_layers:
            weights = dict(layer.cross_attention.named_parameters())
            hidden = torch.stack(
                [
                    gated_block(weights, token, latents[name - 1] if name else None, config.cross_attention_heads)
                    for token, name in zip(hidden, names, strict=True)
                ]
            )
            layer = layer.block
        hidden = layer(hidden[None], attention_mask=causal, position_embeddings=angles, position_ids=positions)[0]
    hidden = lm.norm(hidden)
    return torch.cat((hidden @ model.language_model.lm_head.weight.T, hidden @ new.output_row.T), dim=-1)


@torch.no_grad()
def test_logits_are_those_of_the_papers_pseudo_code() -> None:
    model = flamingo("llama", cross_attention_interval=2)
    assert model.config.cross_attention_layers == (0, 2)
    ids = torch.tensor([[3, IMAGE, 6, 7, IMAGE, 8, 9, 4], [IMAGE, 4, 5, IMAGE + 1, 6, IMAGE, IMAGE, 2]])
    pixels = pictures(5, frames=2)
    given = model(ids, None, pixels, torch.tensor([2, 3])).logits
    said = [column for column in range(42) if column != IMAGE]
    for row, images in enumerate((pixels[:2], pixels[2:])):
        expected = reference_logits(model, ids[row], list(images))
        torch.testing.assert_close(given[row][:, said], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_all_previous_images_are_one_long_memory() -> None:
    model = flamingo("llama", attend="all_previous")
    ids, latents = torch.tensor([[3, IMAGE, 6, IMAGE, 8]]), torch.randn(2, 4, 24)
    model.encode_images = lambda _: latents  # type: ignore[method-assign]
    seen: list[tuple[Tensor, Tensor]] = []
    block = model.cross_attention_blocks[0]
    block.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out)))
    model(ids, None, pictures(2), torch.tensor([2]))
    weights, (x, out) = dict(block.named_parameters()), seen[0]
    memories = [None, latents[0], latents[0], latents.flatten(0, 1), latents.flatten(0, 1)]
    for at, memory in enumerate(memories):
        expected = gated_block(weights, x[0, at], memory, model.config.cross_attention_heads)
        torch.testing.assert_close(out[0, at], expected, atol=1e-5, rtol=1e-4)


def test_temporal_embeddings_are_interpolated_to_more_frames_and_cut_to_fewer() -> None:
    from m3w.model.resampler import temporal_embeddings

    learnt = torch.tensor([[0.0], [2.0], [4.0]])
    assert temporal_embeddings(learnt, 2).flatten().tolist() == [0.0, 2.0]
    assert temporal_embeddings(learnt, 5).flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    model = flamingo("llama", resampler_frames=3)
    assert model.encode_images(pictures(2, frames=5)).shape == (2, 4, 24)


@torch.no_grad()
def test_the_order_of_frames_matters_and_of_pictures_in_a_batch_does_not() -> None:
    model, video = flamingo("llama"), pictures(2, frames=3)
    latents = model.encode_images(video)
    assert (model.encode_images(video.flip(1)) - latents).abs().max() > 1e-3
    torch.testing.assert_close(model.encode_images(video.flip(0)), latents.flip(0), atol=1e-6, rtol=1e-5)
