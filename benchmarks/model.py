"""Forward and backward of `Flamingo` against transformers' Idefics, the most similar maintained model, at equal shapes.

Both have the same llama, the same ViT (frozen, as the language model is), a resampler of the same layers, heads and
latents, and cross-attention before the same blocks with as many parameters (Idefics' feed-forward is gated: three
matrices of 2.69 widths, ours two of 4); both train two new tokens. Weights are random: time does not depend on them.
Each round times both, one after the other; the ratio is the median of the rounds' ratios.

    python -m benchmarks.model [--rounds N] [--compile]

On a GPU: bf16, at the paper's widths. Shapes: B rows, L tokens, P images of the fullest row.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.command import options_parser, print_figures
from benchmarks.model_attention import compare_ways
from benchmarks.model_pair import CPU, GPU, Sizes, batch, idefics, ours


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
    case: Case, sizes: Sizes, models: tuple[nn.Module, nn.Module], rounds: int, device_and_type: tuple[str, torch.dtype]
) -> dict[str, float]:
    """Medians over `rounds`: tokens a second of both, and how many times as fast ours is."""
    inputs = batch(case.counts, case.tokens, sizes, *device_and_type)
    flamingo, peer = models
    times = []
    for _ in range(rounds + 1):  # the first warms up
        times.append((seconds(flamingo, inputs.ours), seconds(peer, inputs.idefics)))
    mine, theirs = zip(*times[1:], strict=True)
    return {
        "tokens_per_second": case.all_tokens / statistics.median(mine),
        "idefics_tokens_per_second": case.all_tokens / statistics.median(theirs),
        "ratio_to_idefics": statistics.median(b / a for a, b in zip(mine, theirs, strict=True)),
    }


def matrix_product_share(case: Case, sizes: Sizes, flamingo: nn.Module) -> float:
    """The part of our time on a CPU that matrix products take. Rows that are full leave both models the same ones,
    so the ratio divided by this is what it would be if everything else were free."""
    inputs = batch(case.counts, case.tokens, sizes, "cpu", torch.float32)
    with profile(activities=[ProfilerActivity.CPU]) as timed:
        inputs.ours(flamingo).backward()
    times = {event.key: event.self_cpu_time_total for event in timed.key_averages()}
    return (times["aten::mm"] + times["aten::addmm"]) / sum(times.values())


def main() -> None:
    parser = options_parser(__doc__)
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
        results[case.name] = result = compare(case, sizes, (models[0], models[1]), arguments.rounds, (device, dtype))
        speeds = f"{result['tokens_per_second']:15,.0f} {result['idefics_tokens_per_second']:15,.0f}"
        print(f"{case.name:38} {speeds} {result['ratio_to_idefics']:7.2f}", flush=True)
    print(f"\n{'cross-attention alone':38} {'tiles ms':>10} {'dense ms':>10} {'gather ms':>10}")
    ways = {}
    for name, counts, tokens in (("256x5", (5, 5, 5, 5), 256), ("2048x33", (33,), 2048)):
        ways[name] = result = compare_ways(counts, tokens, arguments.rounds, _backward_seconds, (device, dtype))
        shown = " ".join(f"{result.get(way, math.nan):10.1f}" for way in ("tiles", "dense", "gather"))
        print(f"{name:38} {shown}", flush=True)
    figures = _figures(results, ways)
    if not gpu:
        share = matrix_product_share(CASES[1], sizes, models[0])
        print(f"\nmatrix products, of our time at {CASES[1].name}: {share:.0%}")
        figures["matrix_product_share_full_rows"] = round(share, 3)
    print_figures(
        "model",
        figures,
        f"{torch.get_num_threads()} threads",
        processor=torch.cuda.get_device_name() if gpu else None,
    )


def _backward_seconds(forward: Callable[[], Tensor]) -> float:
    _finish()
    start = _clock()
    forward().sum().backward()
    _finish()
    return _clock() - start


def _figures(results: dict[str, dict[str, float]], ways: dict[str, dict[str, float]]) -> dict[str, float]:
    first = results[CASES[0].name]
    figures = {"ratio_to_idefics": round(first["ratio_to_idefics"], 3)}
    for case, name in zip(CASES[1:], ("full_rows", "long"), strict=True):
        figures[f"ratio_to_idefics_{name}"] = round(results[case.name]["ratio_to_idefics"], 3)
    for name, result in ways.items():
        figures[f"tiles_to_dense_{name}"] = round(result["dense"] / result["tiles"], 3)
    figures["tokens_per_second"] = round(first["tokens_per_second"], 1)
    return figures


if __name__ == "__main__":
    main()
