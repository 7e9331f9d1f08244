"""`m3w demo`: from the bundled demo crawl to a dataset, a report and a tiny trained Flamingo, offline.

Everything is written to one folder, with the recipes that were used, so that each step can be repeated by hand.
"""

from __future__ import annotations

import os
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from m3w.cli.demo_results import Results

TRAINING_RECIPE = "train-demo.yaml"
PAGES = 800
"""Pages of the demo crawl. On a third of them the tiny model memorises the captions and ignores the images."""


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Argument(help="The folder to write; created if it does not exist.")] = Path("demo"),
) -> None:
    """Run all steps on the bundled demo crawl, offline: build a dataset, write a report, train a tiny Flamingo.

    Example: m3w demo
    """
    raise typer.Exit(run_demo(folder))


def run_demo(folder: Path) -> int:
    """Run the demo in `folder`; the exit status. Run it again to resume."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    started = time.monotonic()
    recipe = _write_crawl(folder, console)
    _build(folder, recipe, console)
    status = _train(folder, console)
    if status:
        return status
    passed = _show(folder, console)
    console.print(
        f"\nThe demo took {time.monotonic() - started:.0f} s. Its files are in {folder}; the report is "
        f"{folder}/report.html."
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
        f"{len(paths)} WARC files of {size / 2**20:.1f} MiB in {crawl}: 24 small sites, written and drawn for the demo."
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
    # A model this small gains little from a second thread, and two threads that wait for each other are nine times
    # slower as soon as anything else runs. torch reads the variable when it is imported.
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
    """Print what the model learned and write the report; whether the loss fell and the model uses the images."""
    from m3w.cli.demo_results import CHOICES, SHOWN, training_results

    console.rule("4  What it learned")
    results = training_results(folder / "training", f"{folder}/run/dataset")
    (first_step, first), (last_step, last) = results.losses[0], results.losses[-1]
    own, shuffled = results.held_out[-1][1], results.shuffled[-1][1]
    verdict = "The model uses the images." if results.uses_images else "The model does not use the images."
    console.print(
        f"Training loss: {first:.3f} nats per token at step {first_step:.0f}, {last:.3f} at step {last_step:.0f}."
    )
    console.print(
        f"Loss on held-out pages: {own:.3f}; with images shuffled between documents: {shuffled:.3f}. {verdict}"
    )
    captions = len(results.captions)
    for name, choices in CHOICES.items():
        named = sum(caption.matches()[name] for caption in results.captions)
        console.print(
            f"Held-out images whose {name} the model names: {named} of {captions} (guessing: {captions / choices:.0f})."
        )
    for caption in results.captions[:SHOWN]:
        console.print(f"  page:  {caption.page}\n  model: {caption.model}")
    _write_report(folder, results)
    return last < first and results.uses_images


def _write_report(folder: Path, results: Results) -> None:
    from m3w.pipeline.inspect import Curve, Paragraph, Pictures, Section, statistics, write_report

    losses = {"training": results.losses, "held out": results.held_out, "held out, images shuffled": results.shuffled}
    pictures = [(c.picture, f"Page: {c.page}. Model: {c.model}.") for c in results.captions[:12]]
    section = Section(
        title="A Flamingo trained on it",
        items=[
            Paragraph(
                text="Trained from scratch by m3w demo on the train split; the hosts of the validation split were held "
                "out."
            ),
            Curve(title="Loss", x_label="step", y_label="nats per token", lines=losses),
            Pictures(pictures=pictures),
        ],
    )
    write_report(statistics(f"{folder}/run"), folder / "report.html", title="m3w demo", sections=[section])


def _quiet_transformers() -> None:
    """Hide the progress bars of files that load in a moment."""
    from transformers.utils import logging

    logging.disable_progress_bar()
