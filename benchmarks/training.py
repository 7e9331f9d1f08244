"""A complete training of a small Flamingo from CIFAR-10's images: crawl, build, training, evaluation.

    python -m benchmarks.training [--folder runs/cifar] [--data ../shared] [--curves docs/images/cifar.png]

Follows recipes/train-cifar.yaml: the encoder learns to classify images, the language model the language of the pages;
both are then frozen, and the layers between them are trained. Run it again to resume. Finally held-out images are
classified by ranking the ten classes' sentences by likelihood, with the right image and with that of another sample.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from random import Random

from benchmarks.cifar_crawl import ARCHIVE, FACTS, SHARED, naming, write_crawl
from benchmarks.command import options_parser, print_figures
from m3w.trainer.evaluate.answers import rank_answers
from m3w.trainer.evaluate.loaded_model import LoadedModel, load_model
from m3w.trainer.generate import picture_row
from m3w.trainer.metrics.journal import read_metrics

PICTURES = 200
"""Held-out pictures that are named."""
SENTENCE = "This is a photo of {a} {name}."


def run(folder: Path, shared: Path) -> None:
    """Everything that is not in `folder` yet."""
    recipes = Path(__file__).parents[1] / "recipes"
    if not (folder / "crawl").is_dir():
        write_crawl(folder / "crawl", shared / ARCHIVE)
    crawl = f'crawl.paths=["{folder}/crawl/*.warc.gz"]'
    _m3w("build", str(recipes / "build-cifar.yaml"), "--run", str(folder / "build"), "--set", crawl)
    overrides = [f"output={folder}/training", f"data.dataset={folder}/build/dataset"]
    _m3w("train", str(recipes / "train-cifar.yaml"), *(word for each in overrides for word in ("--set", each)))


def _m3w(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "m3w", *words], check=True)


def log_likelihoods(loaded: LoadedModel, picture: bytes, sentences: list[str]) -> list[float]:
    """The log-likelihood of each sentence after the picture, nats."""
    answers = [[loaded.tokenize(sentence) for sentence in sentences]]
    (scores,) = rank_answers(loaded.model, [picture_row(loaded, picture, "")], answers, loaded.padding)
    return scores


def accuracies(model_folder: Path, shared: Path) -> tuple[float, float]:
    """Shares of held-out pictures whose class ranks first: with the picture itself, and with another sample's."""
    loaded = load_model(model_folder)
    classes = sorted(FACTS)
    sentences = [naming(SENTENCE, name) for name in classes]
    with zipfile.ZipFile(shared / ARCHIVE) as file:
        names = sorted(name for name in file.namelist() if name.startswith("test/") and name.endswith(".jpg"))
        drawn = Random(0).sample(names, PICTURES)
        named = [_best(log_likelihoods(loaded, file.read(name), sentences)) for name in drawn]
    shown = [classes.index(name.split("/")[1]) for name in drawn]
    right = sum(a == b for a, b in zip(named, shown, strict=True))
    wrong = sum(a == b for a, b in zip(named[1:] + named[:1], shown, strict=True))
    return right / PICTURES, wrong / PICTURES


def _best(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def draw_curves(lines: list[dict[str, float]], path: Path) -> None:
    """Loss and look test by step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    curves = (
        (left, "loss", "training", "#9db4c8"),
        (left, "held_out_loss", "held out", "#1f4e79"),
        (left, "held_out_loss_shuffled_images", "held out, images shuffled", "#c0504d"),
        (right, "look", "look test", "#1f4e79"),
    )
    for axes, name, label, colour in curves:
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        axes.plot(*zip(*points, strict=True), label=label, color=colour, marker="o" if len(points) < 20 else None)
    for axes, title in ((left, "Loss"), (right, "Look test: what the right images are worth")):
        axes.set(title=title, xlabel="step", ylabel="nats a token", xlim=(0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylim(0.15, 0.6)  # the first steps, from a loss of several nats, would flatten the rest
    right.set_ylim(0, None)
    left.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/cifar"))
    parser.add_argument("--data", type=Path, default=SHARED, help="the shared folder")
    parser.add_argument("--curves", type=Path, default=None, help="draw the curves into this picture")
    words = parser.parse_args()
    if not (words.data / ARCHIVE).is_file():
        sys.exit(f"{words.data / ARCHIVE} is not there; name the shared folder with --data")
    run(words.folder, words.data)
    lines = read_metrics(words.folder / "training")
    held_out = [line for line in lines if "held_out_loss" in line]
    for line in held_out:
        print(f"step {line['step']:5.0f}  held-out loss {line['held_out_loss']:.4f}  look test {line['look']:.4f}")
    if words.curves:
        draw_curves(lines, words.curves)
    right, wrong = accuracies(words.folder / "training/model", words.data)
    print(f"\n{PICTURES} held-out pictures, ten classes: {right:.1%} named right; with another picture {wrong:.1%}")
    figures = {
        "close_ended_accuracy": right,
        "close_ended_accuracy_wrong_image": wrong,
        "held_out_loss_first": round(held_out[0]["held_out_loss"], 4),
        "held_out_loss_last": round(held_out[-1]["held_out_loss"], 4),
        "look_first": round(held_out[0]["look"], 4),
        "look_last": round(held_out[-1]["look"], 4),
        "steps": held_out[-1]["step"],
    }
    print_figures("training", figures)


if __name__ == "__main__":
    main()
