"""The share of its time that a rank waits for data, if a step takes as long as on a GPU.

    python -m benchmarks.loader_wait [--recipe RECIPE] [--gpu NAME] [--mfu SHARE] [--workers N] [--steps N]

The loader is the trainer's own, with its worker processes on this machine's cores, and reads sequences of five JPEGs of
the shared web pages at the recipe's image size. Instead of an update the process sleeps as long as one GPU would need
for the FLOPs of such a micro-batch of the recipe's model, counted as in `m3w train --dry-run`. Not included are the CPU
time of a GPU's driver and copies to the GPU.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.command import options_parser, print_figures, require_data
from benchmarks.loader import TOKENS, WORDS, sample_format, sequences, write_tar
from m3w.model import FlamingoProcessor
from m3w.trainer.cost.flops import count_costs, peak_flops
from m3w.trainer.data.batch_slots import BatchSlotDataset
from m3w.trainer.data.collate import Batch
from m3w.trainer.data.mixture import load_steps
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.recipe import Recipe, load_recipe
from m3w.trainer.setup.meta_model import image_size_of, meta_model
from m3w.trainer.setup.tokenizer import train_tokenizer

IMAGES = 5
WARM_UP = 10
"""Steps before the clock starts: worker processes start and fill their queues."""


def step_seconds(recipe: Recipe, rows: int, gpu: str, mfu: float) -> float:
    """Of one micro-batch on one GPU."""
    peak = peak_flops(gpu)
    if peak is None:
        sys.exit(f"the speed of a GPU called {gpu!r} is not known; trainer/cost/flops.py has those that are")
    costs = count_costs(meta_model(recipe.model, bf16=True), image_size_of(recipe.model))
    images = rows * IMAGES
    flops = costs.of(padded_tokens=rows * TOKENS, squared_lengths=rows * TOKENS**2, images=images, frames=images)
    return flops / (peak * mfu)


def micro_batches(folder: Path, side: int, rows: int, count: int, workers: int) -> Iterator[list[Batch]]:
    """Those of `count` steps, one a step."""
    processor = FlamingoProcessor(train_tokenizer([WORDS] * 9, 300), image_size=side)
    reader = SequenceReader(str(folder), "train")
    order = SampleOrder(reader.shard_sizes, seed=0)
    form = sample_format(processor, images=IMAGES)
    dataset = BatchSlotDataset(reader, order, form, batch_size=rows, batch_slots=range(rows), micro_batch_size=rows)
    return load_steps(dataset, first_step=0, last_step=count, workers=workers)


def waiting_share(steps: Iterator[list[Batch]], step_s: float) -> float:
    """As the journal's `loader_wait`: the time until the next batch is there, of all the time."""
    for _ in itertools.islice(steps, WARM_UP):
        time.sleep(step_s)
    waited, began = 0.0, time.perf_counter()
    while True:
        requested_at = time.perf_counter()
        step = next(steps, None)
        if step is None:
            return waited / (requested_at - began)
        waited += time.perf_counter() - requested_at
        time.sleep(step_s)
        del step


def main() -> None:
    parser = options_parser(__doc__, rounds=3, data=True)
    parser.add_argument("--recipe", default=str(Path(__file__).parents[1] / "recipes/train-3b.yaml"))
    parser.add_argument("--gpu", default="h200")
    parser.add_argument("--mfu", type=float, default=0.4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    require_data(options.data, "data/web")
    torch.set_num_threads(1)
    recipe = load_recipe(options.recipe)
    rows, side = recipe.training.micro_batch_size, image_size_of(recipe.model)
    step_s = step_seconds(recipe, rows, options.gpu, options.mfu)
    print(f"{rows} rows of {IMAGES} pictures to {side} px: {step_s:.3f} s on a {options.gpu} at {options.mfu:.0%} MFU,")
    print(f"{rows * IMAGES / step_s:.0f} images/s; {options.workers} workers of the loader")
    with tempfile.TemporaryDirectory() as folder:
        write_tar(Path(folder), sequences(options.data, IMAGES))
        shares = []
        for number in range(options.rounds):
            steps = micro_batches(Path(folder), side, rows, WARM_UP + options.steps, options.workers)
            shares.append(waiting_share(steps, step_s))
            print(f"  round {number + 1}: waited for data {shares[-1]:.2%} of the time", flush=True)
    figures = {"loader_wait": round(statistics.median(shares), 4), "step_seconds": round(step_s, 3)}
    print_figures("loader-wait", figures, f"{os.cpu_count()} cores", f"{options.workers} workers")


if __name__ == "__main__":
    main()
