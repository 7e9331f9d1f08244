"""`m3w demo`: the bundled demo crawl to a dataset, a report, and a tiny Flamingo trained on it, offline.

Everything lies in one folder afterwards, with the recipes that made it, so that each step can be run again by hand.
"""

from __future__ import annotations

import os
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console

TRAINING_RECIPE = "train-demo.yaml"
PAGES = 800
"""Of the demo crawl. From a third of them the tiny model learns the captions by heart before it learns to look."""


def run_demo(folder: Path) -> int:
    """All of it, in `folder`; the exit status. Called again, what is done is passed over."""
    console = Console(soft_wrap=True, highlight=False)
    started = time.monotonic()
    recipe = _write_crawl(folder, console)
    _build(folder, recipe, console)
    status = _train(folder, console)
    if status:
        return status
    passed = _show(folder, console)
    console.print(
        f"\nAll of it took {time.monotonic() - started:.0f} s. It lies in {folder}; the report is {folder}/report.html."
    )
    return 0 if passed else 1


def _write_crawl(folder: Path, console: Console) -> Path:
    from m3w.pipeline.demo_crawl import write_demo_crawl

    console.rule("1  A crawl")
    crawl = folder / "crawl"
    crawl.mkdir(parents=True, exist_ok=True)
    paths = sorted(crawl.glob("*.warc.gz")) or write_demo_crawl(crawl, pages=PAGES)
    size = sum(path.stat().st_size for path in paths)
    console.print(
        f"{len(paths)} WARC files of {size / 2**20:.1f} MiB in {crawl}: 24 small sites, written and drawn for this."
    )
    recipe = folder / "build.yaml"
    recipe.write_text(f'crawl:\n  paths: ["{crawl}/*.warc.gz"]\n', encoding="utf-8")
    return recipe


def _build(folder: Path, recipe: Path, console: Console) -> None:
    from m3w.pipeline.build import build
    from m3w.pipeline.inspect import print_statistics, statistics
    from m3w.pipeline.recipe import load_recipe

    console.rule("2  A dataset")
    console.print(f"$ m3w build {recipe} --run {folder}/run")
    build(load_recipe(str(recipe)), str(folder / "run"))
    console.print(f"$ m3w stats {folder}/run")
    print_statistics(statistics(str(folder / "run")), console)


def _train(folder: Path, console: Console) -> int:
    # So small a model gains little from a second thread, and two that wait for each other lose ninefold as soon as
    # anything else runs. Read by torch when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from m3w.trainer.launch import train

    _quiet_transformers()
    console.rule("3  A Flamingo, from scratch")
    recipe = folder / "train.yaml"
    text = files("m3w.recipes").joinpath(TRAINING_RECIPE).read_text(encoding="utf-8")
    recipe.write_text(text, encoding="utf-8")
    overrides = [f"data.dataset={folder}/run/dataset", f"output={folder}/training"]
    console.print(f"$ m3w train {recipe} --set {' --set '.join(overrides)}")
    return train(str(recipe), overrides)


def _show(folder: Path, console: Console) -> bool:
    """Say what was learnt, and write the report; whether the loss fell and the model looks."""
    from m3w.cli.demo_results import CHOICES, SHOWN, results

    console.rule("4  What it learnt")
    found = results(folder / "training", f"{folder}/run/dataset")
    (first_step, first), (last_step, last) = found.losses[0], found.losses[-1]
    right, shuffled = found.held_out[-1][1], found.shuffled[-1][1]
    verdict = "It looks at the pictures." if found.looks else "It does not look at the pictures."
    console.print(
        f"Training loss: {first:.3f} nats a token at step {first_step:.0f}, {last:.3f} at step {last_step:.0f}."
    )
    console.print(
        f"Loss on held-out pages: {right:.3f}; with images shuffled between documents: {shuffled:.3f}. {verdict}"
    )
    captions = len(found.captions)
    for name, choices in CHOICES.items():
        named = sum(caption.right()[name] for caption in found.captions)
        console.print(
            f"Held-out pictures whose {name} it names: {named} of {captions} (guessing: {captions / choices:.0f})."
        )
    for caption in found.captions[:SHOWN]:
        console.print(f"  page:  {caption.page}\n  model: {caption.model}")
    _write_report(folder, found)
    return last < first and found.looks


def _write_report(folder: Path, found: Any) -> None:
    from m3w.pipeline.inspect import Curve, Paragraph, Pictures, Section, statistics, write_report

    losses = {"training": found.losses, "held out": found.held_out, "held out, images shuffled": found.shuffled}
    shown = [(c.picture, f"Page: {c.page}. Model: {c.model}.") for c in found.captions[:12]]
    section = Section(
        title="A Flamingo trained on it",
        items=[
            Paragraph(
                text="Trained from scratch by m3w demo on the train split; the validation split's hosts were held out."
            ),
            Curve(title="Loss", x_label="step", y_label="nats a token", lines=losses),
            Pictures(pictures=shown),
        ],
    )
    write_report(statistics(f"{folder}/run"), folder / "report.html", title="m3w demo", sections=[section])


def _quiet_transformers() -> None:
    """No bars for files that are read in a moment."""
    from transformers.utils import logging

    logging.disable_progress_bar()
