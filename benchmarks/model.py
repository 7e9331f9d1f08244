"""Forward and backward of `Flamingo` against transformers' Idefics, the closest living relative, at equal shapes.

Both have the same llama, the same ViT (frozen, as the language model is), a resampler of the same layers, heads and
latents, and cross-attention before the same blocks with as many parameters (Idefics' feed-forward is gated: three
matrices of 2.69 widths, ours two of 4); both train two new tokens. Weights are random: time does not depend on them.
Each round times both, one after the other; the ratio is the median of the rounds' ratios.

    python -m benchmarks.model [--rounds N] [--compile]

On a GPU: bf16, at the paper's widths. Shapes: B rows, L tokens, P images of the fullest row.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

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

from benchmarks.model_attention import compare_ways
from model import Flamingo
from model.phi import previous_image

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


@dataclass(frozen=True, kw_only=True)
class Case:
    """One batch: `counts` images in each row."""

    name: str
    tokens: int
    counts: tuple[int, ...]

    @property
    def all_tokens(self) -> int:
        return self.tokens * len(self.counts)


CASES = (
    Case(name="256 tokens x 1 to 5 images", tokens=256, counts=(5, 1, 2, 1, 1, 1, 2, 1)),
    Case(name="256 tokens x 5 images", tokens=256, counts=(5, 5)),
    Case(name="2,048 tokens x 33 images", tokens=2048, counts=(33,)),
)
"""The first is a batch as M3W gives it, and the headline: 185 M images on 43.3 M pages of 182 GB are 4.3 images and
about 1,050 tokens (of 4 bytes) a page, so 1.1 images for 256 tokens; here 1.75, since no row is without. Idefics
pads rows to the fullest. The second leaves nothing to save on images, the third is where dense attention hurts."""


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


def batch(case: Case, sizes: Sizes, device: str, dtype: torch.dtype) -> Batch:
    """Random text with evenly spread tags, and random pictures."""
    torch.manual_seed(0)
    ids = torch.randint(2, sizes.vocabulary, (len(case.counts), case.tokens))
    for row, count in enumerate(case.counts):
        ids[row, torch.arange(count) * (case.tokens // count)] = IMAGE
    pixels = torch.randn(sum(case.counts), 1, 3, sizes.image_size, sizes.image_size)
    return Batch(input_ids=ids.to(device), pixels=pixels.to(device, dtype), counts=torch.tensor(case.counts).to(device))


def seconds(model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> float:
    """Time of one forward and backward."""
    model.zero_grad(set_to_none=True)
    _finish()
    start = _clock()
    loss(model).backward()
    _finish()
    return _clock() - start


def _clock() -> float:
    """On a CPU the seconds of this process: one thread, so that what else the machine does is not counted."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def compare(
    case: Case, sizes: Sizes, models: tuple[nn.Module, nn.Module], rounds: int, place: tuple[str, torch.dtype]
) -> dict[str, float]:
    """Medians over `rounds`: tokens a second of both, and how many times as fast ours is."""
    given = batch(case, sizes, *place)
    flamingo, peer = models
    times = []
    for _ in range(rounds + 1):  # the first warms up
        times.append((seconds(flamingo, given.ours), seconds(peer, given.idefics)))
    mine, theirs = zip(*times[1:], strict=True)
    return {
        "tokens_per_second": case.all_tokens / statistics.median(mine),
        "idefics_tokens_per_second": case.all_tokens / statistics.median(theirs),
        "ratio_to_idefics": statistics.median(b / a for a, b in zip(mine, theirs, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="compile both with torch.compile (the default on a GPU)")
    arguments = parser.parse_args()
    gpu = torch.cuda.is_available()
    torch.set_num_threads(1)
    sizes, device, dtype = (GPU, "cuda", torch.bfloat16) if gpu else (CPU, "cpu", torch.float32)
    models = tuple(build(sizes).to(device, dtype).train() for build in (ours, idefics))
    if arguments.compile or gpu:
        for each in models:
            each.compile()
    print(f"{'forward + backward':38} {'Flamingo tok/s':>15} {'Idefics tok/s':>15} {'ratio':>7}")
    results = {}
    for case in CASES:
        results[case.name] = found = compare(case, sizes, (models[0], models[1]), arguments.rounds, (device, dtype))
        speeds = f"{found['tokens_per_second']:15,.0f} {found['idefics_tokens_per_second']:15,.0f}"
        print(f"{case.name:38} {speeds} {found['ratio_to_idefics']:7.2f}", flush=True)
    print(f"\n{'cross-attention alone':38} {'tiles ms':>10} {'dense ms':>10} {'gather ms':>10}")
    ways = {}
    for name, counts, tokens in (("256x5", (5, 5, 5, 5), 256), ("2048x33", (33,), 2048)):
        ways[name] = found = compare_ways(counts, tokens, arguments.rounds, _backward_seconds, (device, dtype))
        shown = " ".join(f"{found.get(way, math.nan):10.1f}" for way in ("tiles", "dense", "gather"))
        print(f"{name:38} {shown}", flush=True)
    print(json.dumps(_report(results, ways, device)))


def _backward_seconds(forward: Callable[[], Tensor]) -> float:
    _finish()
    start = _clock()
    forward().sum().backward()
    _finish()
    return _clock() - start


def _report(results: dict[str, dict[str, float]], ways: dict[str, dict[str, float]], device: str) -> dict[str, object]:
    machine = (
        torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()}, {torch.get_num_threads()} threads"
    )
    first = results[CASES[0].name]
    figures = {"ratio_to_idefics": round(first["ratio_to_idefics"], 3)}
    for case, name in zip(CASES[1:], ("full_rows", "long"), strict=True):
        figures[f"ratio_to_idefics_{name}"] = round(results[case.name]["ratio_to_idefics"], 3)
    for name, found in ways.items():
        figures[f"tiles_to_dense_{name}"] = round(found["dense"] / found["tiles"], 3)
    figures["tokens_per_second"] = round(first["tokens_per_second"], 1)
    return {"bench": "model", "date": datetime.now(UTC).date().isoformat(), "machine": machine, "figures": figures}


if __name__ == "__main__":
    main()
