"""Speed of the trainer's updates with each option: samples per second, and on a GPU the FLOPs utilisation (MFU).

On a GPU: the 3B preset's shapes (a ViT-L/14 for its NFNet, which would need timm), random weights, bf16. On a CPU: tiny
shapes, in one process and two over gloo. `plain loop` is the same model trained by four lines of PyTorch: forward,
backward, clip, step. On a CPU every round times an update of each row of one process, one after the other; on a GPU,
where two models would not fit, each row has all its rounds before the next. Figures are medians; a ratio to a peer is
that of our fastest row of one process, the median of the rounds' ratios.

    python -m benchmarks.train [--rounds N] [--rows N] [--open-flamingo CHECKOUT]

Needs neither Ray nor a network. Shapes: B rows, L tokens, N images.
"""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.multiprocessing as processes
from torch import nn

from benchmarks.command import options_parser, print_figures
from benchmarks.train_open_flamingo import open_flamingo_step
from m3w.model import Flamingo
from m3w.model.presets import preset
from m3w.trainer.cost.flops import count_costs, device_peak
from m3w.trainer.data.collate import Batch
from m3w.trainer.data.mixture import Share
from m3w.trainer.distributed.parallelize import inner, parallelize
from m3w.trainer.distributed.precision import autocast, set_types
from m3w.trainer.distributed.ranks import Ranks, join_ranks
from m3w.trainer.metrics.progress import memory_gib
from m3w.trainer.recipe import ParallelRecipe
from m3w.trainer.update import update

ONE = ParallelRecipe()
LR, CLIP = 1e-4, 1.0


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Of the model and of a batch; rows have one to three images in turn."""

    rows: int
    tokens: int
    image_size: int
    bf16: bool


def flamingo(shapes: Shapes, device: torch.device) -> Flamingo:
    """Random weights; frozen ones in bf16 on a GPU."""
    vision = {"model_type": "clip_vision_model", "patch_size": 14, "image_size": shapes.image_size}
    if device.type == "cuda":
        large = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
        config = preset("Flamingo-3B", vision_config={**vision, **large}, vision_width=1024)
    else:
        small = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
        text = {"model_type": "gpt_neox", "vocab_size": 500, **small, "intermediate_size": 256}
        changes = {"vision_width": 64, "resampler_width": 64, "latent_width": 64, "cross_attention_heads": 2}
        config = preset(
            "Flamingo-3B", text_config=text, vision_config={**vision, **small}, **changes,
            head_dim=32, resampler_layers=2, resampler_heads=2, resampler_latents=16,
        )  # fmt: skip
    torch.manual_seed(0)
    with device:
        return set_types(Flamingo(config), bf16=shapes.bf16).train()


def batch(model: Flamingo, shapes: Shapes, first: int, last: int) -> Batch:
    """Rows `first` up to `last` of random text and pictures."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, model.config.text_config.vocab_size, (shapes.rows, shapes.tokens), generator=draw)
    for row in range(shapes.rows):
        images = 1 + row % 3
        ids[row, torch.arange(images) * (shapes.tokens // images)] = model.config.image_token_id
    ids = ids[first:last]
    tags = ids == model.config.image_token_id
    size = shapes.image_size
    return Batch(
        keys=[str(row) for row in range(first, last)],
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        labels=ids.masked_fill(tags, -100),
        phi=tags.long().cumsum(1),
        pixel_values=torch.randn(int(tags.sum()), 1, 3, size, size, generator=draw),
        image_counts=tags.sum(1),
    )


def our_step(shapes: Shapes, ranks: Ranks, recipe: ParallelRecipe, micro_batches: int = 1) -> Callable[[], object]:
    """One update of the trainer."""
    made = flamingo(shapes, ranks.device)
    model = parallelize(made, recipe, ranks, bf16=shapes.bf16, image_size=shapes.image_size)
    optimizer = adamw(model)
    share = shapes.rows // ranks.count
    step = share // micro_batches
    firsts = range(ranks.rank * share, (ranks.rank + 1) * share, step)
    batches = [batch(inner(model), shapes, first, first + step).to(ranks.device) for first in firsts]
    precision = "bf16" if shapes.bf16 else "fp32"
    return partial(update, model, optimizer, [Share("a", 1.0, batches)], ranks, precision=precision, clip=CLIP)


def plain_step(shapes: Shapes, device: torch.device) -> Callable[[], object]:
    """What a loop without a trainer does."""
    model = flamingo(shapes, device)
    optimizer = adamw(model)
    inputs = batch(model, shapes, 0, shapes.rows).to(device)

    def step() -> None:
        with autocast(device, "bf16" if shapes.bf16 else "fp32"):
            loss = model(**inputs.inputs(), labels=inputs.labels).loss
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], CLIP)
        optimizer.step()
        optimizer.zero_grad()

    return step


def adamw(model: nn.Module) -> torch.optim.AdamW:
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=LR, fused=torch.cuda.is_available())


def seconds(step: Callable[[], object]) -> float:
    """Of one update, to its end."""
    since = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - since


def one_process(shapes: Shapes, device: torch.device, rounds: int, checkout: Path | None) -> dict[str, list[float]]:
    """Seconds of each row's updates, round by round."""
    alone = Ranks(0, 1, device)
    rows: dict[str, Callable[[], Callable[[], object]]] = {
        "plain loop": lambda: plain_step(shapes, device),
        "update": lambda: our_step(shapes, alone, ONE),
        "update, 2 micro-batches": lambda: our_step(shapes, alone, ONE, micro_batches=2),
        "update, activation checkpointing": lambda: our_step(
            shapes, alone, ParallelRecipe(activation_checkpointing=True)
        ),
    }
    if device.type == "cuda":
        rows["update, compiled"] = lambda: our_step(shapes, alone, ParallelRecipe(compile=True))
    if checkout is not None:
        rows["OpenFlamingo"] = lambda: open_flamingo_step(checkout, flamingo(shapes, device), shapes, device)
    if device.type == "cuda":
        return _row_by_row(rows, rounds)
    steps = {name: step for name, make in rows.items() if (step := warmed(name, make)) is not None}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    return times


def _row_by_row(rows: dict[str, Callable[[], Callable[[], object]]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for name, make in rows.items():
        step = warmed(name, make)
        if step is not None:
            times[name] = [seconds(step) for _ in range(rounds)]
            print(f"  {name}: {memory_gib():.1f} GiB at most so far", flush=True)
        del step
        torch.cuda.empty_cache()
    return times


def warmed(name: str, make: Callable[[], Callable[[], object]]) -> Callable[[], object] | None:
    """A row's update after three of them; None, with a word, where it cannot be run here."""
    try:
        step = make()
        for _ in range(3):
            step()
    except (ImportError, OSError, torch.cuda.OutOfMemoryError) as error:
        print(f"{name}: left out ({type(error).__name__}: {' '.join(str(error).split())[:120]})")
        return None
    return step


def _rank(rank: int, port: int, folder: str, shapes: Shapes, recipe: ParallelRecipe, rounds: int) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with join_ranks() as ranks:
        step = our_step(shapes, ranks, recipe)
        times = [seconds(step) for _ in range(rounds + 3)][3:]
        if ranks.first:
            torch.save(times, Path(folder) / "times.pt")


def two_processes(shapes: Shapes, recipe: ParallelRecipe, rounds: int) -> list[float]:
    """Seconds of updates that two processes share over gloo."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        arguments = (port, folder, shapes, recipe, rounds)
        processes.start_processes(_rank, arguments, nprocs=2, start_method="fork")
        times: list[float] = torch.load(Path(folder) / "times.pt")
        return times


def main() -> None:
    parser = options_parser(__doc__, rounds=20)
    parser.add_argument("--rows", type=int, default=32 if torch.cuda.is_available() else 8, help="of one update")
    parser.add_argument("--open-flamingo", type=Path, help="a checkout of mlfoundations/open_flamingo, to time it too")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    gpu = device.type == "cuda"
    shapes = Shapes(
        rows=arguments.rows, tokens=256 if gpu else 64, image_size=224 if gpu else 56, bf16=gpu
    )  # fmt: skip
    times = {} if gpu else {
        f"update, 2 processes, {name}": two_processes(shapes, ParallelRecipe(strategy=name), arguments.rounds)  # type: ignore[arg-type]
        for name in ("ddp", "fsdp")
    }  # fmt: skip
    times = {**one_process(shapes, device, arguments.rounds, arguments.open_flamingo), **times}
    report(times, shapes, device)


def report(times: dict[str, list[float]], shapes: Shapes, device: torch.device) -> None:
    """The table and the last line."""
    with torch.device("meta"):
        costs = count_costs(flamingo(shapes, torch.device("meta")), shapes.image_size)
    images = sum(1 + row % 3 for row in range(shapes.rows))
    flops = costs.of(
        padded_tokens=shapes.rows * shapes.tokens,
        squared_lengths=shapes.rows * shapes.tokens**2,
        images=images,
        frames=images,
    )
    peak = device_peak(device)
    print(f"\n{'':36} {'samples/s':>10} {'TFLOP/s':>9} {'MFU':>7}")
    figures: dict[str, float] = {}
    for name, durations in times.items():
        middle = statistics.median(durations)
        mfu = f"{flops / middle / peak:7.1%}" if peak else f"{'-':>7}"
        print(f"{name:36} {shapes.rows / middle:10.2f} {flops / middle / 1e12:9.4f} {mfu}")
        key = (
            name.replace("update, ", "").replace("update", "ours").replace(",", "").replace("-", "_").replace(" ", "_")
        )
        figures[f"samples_per_second_{key}"] = round(shapes.rows / middle, 3)
        if peak:
            figures[f"mfu_{key}"] = round(flops / middle / peak, 4)
    ours = [durations for name, durations in times.items() if name.startswith("update") and "processes" not in name]
    best = min(ours, key=statistics.median)
    for peer in ("plain loop", "OpenFlamingo"):
        if peer in times:
            ratios = [theirs / own for theirs, own in zip(times[peer], best, strict=True)]
            figures[f"ratio_to_{peer.lower().replace(' ', '_')}"] = round(statistics.median(ratios), 3)
    conditions = (f"torch {torch.__version__}", f"{shapes.rows} rows of {shapes.tokens} tokens")
    print_figures("train", figures, *conditions, processor=torch.cuda.get_device_name() if peak else None)


if __name__ == "__main__":
    main()
