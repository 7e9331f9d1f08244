"""The two models that `benchmarks.model` times, and one batch for both.

Shapes: B rows, L tokens, P images of the fullest row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    CLIPVisionConfig,
    IdeficsConfig,
    IdeficsForVisionText2Text,
    LlamaConfig,
)

from m3w.model import Flamingo
from m3w.model.phi import previous_image

IMAGE = 1


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of both models."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    feed_forward: int
    vision_width: int
    vision_layers: int
    image_size: int
    interval: int = 1
    latents: int = 64
    resampler_layers: int = 6

    @property
    def head_dim(self) -> int:
        return self.width // self.heads


CPU = Sizes(
    vocabulary=2000, width=256, layers=4, heads=4, feed_forward=688, vision_width=128, vision_layers=2, image_size=112
)  # fmt: skip
GPU = Sizes(
    vocabulary=32000, width=2048, layers=24, heads=16, feed_forward=5504,
    vision_width=1024, vision_layers=24, image_size=224,
)  # fmt: skip


def llama(sizes: Sizes) -> LlamaConfig:
    """The language model of both."""
    return AutoConfig.for_model(
        "llama",
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.feed_forward,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        max_position_embeddings=4096,
        attn_implementation="sdpa",
    )


def ours(sizes: Sizes) -> Flamingo:
    """A Flamingo of `sizes`."""
    vision = CLIPVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=4 * sizes.vision_width,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=sizes.vision_width // 64,
        image_size=sizes.image_size,
        patch_size=14,
        attn_implementation="sdpa",
    )
    return Flamingo.from_backbones(
        language_model=AutoModelForCausalLM.from_config(llama(sizes)),
        vision_encoder=AutoModel.from_config(vision),
        image_token_id=IMAGE,
        head_dim=sizes.head_dim,
        cross_attention_interval=sizes.interval,
        resampler_heads=sizes.heads,
        resampler_layers=sizes.resampler_layers,
        resampler_latents=sizes.latents,
        feed_forward_multiple=1.5 * sizes.feed_forward / sizes.width,
    )


def idefics(sizes: Sizes) -> nn.Module:
    """An Idefics of `sizes`, with its language model, head and vision encoder frozen."""
    config = IdeficsConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.feed_forward,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        cross_layer_interval=sizes.interval,
        max_position_embeddings=4096,
        use_resampler=True,
        freeze_lm_head=True,
        additional_vocab_size=2,
        vision_config={
            "embed_dim": sizes.vision_width,
            "intermediate_size": 4 * sizes.vision_width,
            "num_hidden_layers": sizes.vision_layers,
            "num_attention_heads": sizes.vision_width // 64,
            "image_size": sizes.image_size,
            "patch_size": 14,
        },
        perceiver_config={
            "use_resampler": True,
            "resampler_n_latents": sizes.latents,
            "resampler_depth": sizes.resampler_layers,
            "resampler_n_heads": sizes.heads,
            "resampler_head_dim": sizes.head_dim,
        },
        attn_implementation="sdpa",
    )
    return IdeficsForVisionText2Text(config)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The same batch for both."""

    input_ids: Tensor
    pixels: Tensor
    """[N, 1, 3, H, W], packed."""
    counts: Tensor

    def ours(self, model: nn.Module) -> Tensor:
        """The loss of a Flamingo."""
        mask = torch.ones_like(self.input_ids)
        loss: Tensor = model(self.input_ids, mask, self.pixels, self.counts, labels=self.input_ids).loss
        return loss

    def idefics(self, model: nn.Module) -> Tensor:
        """The loss of an Idefics, whose images are padded to the fullest row and whose tokens see one image each."""
        images = int(self.counts.max())
        padded = self.pixels.new_zeros(len(self.counts), images, *self.pixels.shape[2:])
        for row, own in enumerate(self.pixels[:, 0].split(self.counts.tolist())):
            padded[row, : len(own)] = own
        phi = previous_image(self.input_ids == IMAGE)
        sees = phi[..., None] == torch.arange(1, images + 1, device=phi.device)
        logits = model(
            input_ids=self.input_ids,
            attention_mask=torch.ones_like(self.input_ids),
            pixel_values=padded,
            image_attention_mask=sees.long(),
            use_cache=False,
        ).logits  # its own loss does not know of its additional tokens
        return F.cross_entropy(logits[:, :-1].float().flatten(0, 1), self.input_ids[:, 1:].flatten())


def batch(counts: tuple[int, ...], tokens: int, sizes: Sizes, device: str, dtype: torch.dtype) -> Batch:
    """Random text with evenly spread tags, and random pictures."""
    torch.manual_seed(0)
    ids = torch.randint(2, sizes.vocabulary, (len(counts), tokens))
    for row, count in enumerate(counts):
        ids[row, torch.arange(count) * (tokens // count)] = IMAGE
    pixels = torch.randn(sum(counts), 1, 3, sizes.image_size, sizes.image_size)
    return Batch(input_ids=ids.to(device), pixels=pixels.to(device, dtype), counts=torch.tensor(counts).to(device))
