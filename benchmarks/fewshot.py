"""Few-shot accuracy of a small Flamingo on held-out CIFAR-10 images, by generation and ranking, and with wrong images.

    python -m benchmarks.fewshot [--model FOLDER] [--run FOLDER] [--queries N]

Without a model one is trained first, by the commands that a user would run: benchmarks.cifar_crawl, `m3w build
recipes/build-cifar.yaml`, `m3w train recipes/train-cifar.yaml`, on training images only (half an hour on two idle
cores). Queries are test images; supports are training images. Run it again on the same folder to resume.

Writes RUN/fewshot.png and RUN/fewshot.json.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.cifar_crawl import ARCHIVE, FACTS, SHARED, articled, pictures, write_crawl
from benchmarks.fewshot_plot import draw_plot
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.evaluate.evaluation import evaluate
from m3w.trainer.evaluate.recipe import load_evaluation

RECIPE = Path(__file__).parents[1] / "recipes" / "eval-cifar.yaml"
CHANCE = 100 / len(FACTS)
CONDITIONS: dict[str, dict[str, Any]] = {
    "ranking": {},
    "ranking_rices": {"choose": "rices", "shots": [4, 8]},
    "ranking_wrong_image": {"query_image": "other"},
    "naming": {"form": "open", "metrics": ["exact_match"]},
    "naming_wrong_image": {"form": "open", "metrics": ["exact_match"], "query_image": "other"},
}
"""What is changed in recipes/eval-cifar.yaml."""


def write_tables(folder: Path, archive: Path) -> None:
    """`queries.parquet` of the test pictures and `supports.parquet` of the training ones, with their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in (("queries", "test"), ("supports", "train")):
        rows = [
            {"key": f"{split}-{at}", "image": content, "answer": articled(kind), "class": kind}
            for at, (kind, content) in enumerate(pictures(archive, split))
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")


def trained_model(run: Path, archive: Path) -> Path:
    """The model of `run`, built and trained there if it is not there yet, as `m3w build` and `m3w train` do."""
    from m3w.pipeline.build import build
    from m3w.pipeline.recipe import load_recipe
    from m3w.trainer.launch import train

    recipes = RECIPE.parent
    if not (run / "crawl").is_dir():
        write_crawl(run / "crawl", archive)
    paths = f'crawl.paths=["{run}/crawl/*.warc.gz"]'
    build(load_recipe(str(recipes / "build-cifar.yaml"), [paths]), str(run / "build"))
    overrides = [f"data.dataset={run}/build/dataset", f"output={run}/training"]
    if status := train(str(recipes / "train-cifar.yaml"), overrides):
        raise SystemExit(status)
    return run / "training" / "model"


def ask(model: Path, run: Path, queries: int) -> dict[str, dict[int, dict[str, Any]]]:
    """Of each condition the summary by shots."""
    summaries = {}
    for name, changes in CONDITIONS.items():
        fields = {"output": f"{run}/eval/{name}", "root": str(run / "tables"), "limit": queries, **changes}
        recipe = load_evaluation(str(RECIPE), [f"{key}={json.dumps(value)}" for key, value in fields.items()])
        results = evaluate(model, recipe, Ranks(0, 1, torch.device("cpu")), lambda label, done, total: None)
        summaries[name] = {row["shots"]: row for row in results["summary"]}
        for shots, row in summaries[name].items():
            print(f"{name:22} {shots:2} shots {_shown(row)}", flush=True)
    return summaries


def _shown(row: dict[str, Any]) -> str:
    spread = "" if row["spread"] is None else f" ± {row['spread']:.1f} over {row['seeds']} seeds"
    return f"{row['mean']:5.1f} %{spread}"


def figures(summaries: dict[str, dict[int, dict[str, Any]]]) -> dict[str, float]:
    """Accuracies in 0 to 1. `wrong_image`: the mean over all numbers of shots."""
    names = {
        "ranking": "close_ended_accuracy",
        "ranking_rices": "close_ended_accuracy_rices",
        "naming": "open_ended_accuracy",
    }
    result = {}
    for condition, name in names.items():
        for shots, row in summaries[condition].items():
            result[f"{name}_{shots}"] = round(row["mean"] / 100, 4)
            if row["spread"] is not None:
                result[f"{name}_{shots}_spread"] = round(row["spread"] / 100, 4)
    for condition, name in (("ranking", "close_ended"), ("naming", "open_ended")):
        wrong = [row["mean"] for row in summaries[f"{condition}_wrong_image"].values()]
        result[f"{name}_accuracy_wrong_image"] = round(sum(wrong) / len(wrong) / 100, 4)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="an exported model; without it one is trained")
    parser.add_argument("--run", type=Path, default=Path("runs/cifar"))
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--data", type=Path, default=SHARED)
    words = parser.parse_args()
    archive = words.data / ARCHIVE
    model = words.model or trained_model(words.run, archive)
    if not (words.run / "tables" / "supports.parquet").is_file():
        write_tables(words.run / "tables", archive)
    summaries = ask(model, words.run, words.queries)
    picture = draw_plot(summaries, CHANCE, f"CIFAR-10, {words.queries} held-out pictures, three seeds")
    (words.run / "fewshot.png").write_bytes(picture)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads"
    report = {
        "bench": "fewshot",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine,
        "figures": figures(summaries),
    }
    (words.run / "fewshot.json").write_text(json.dumps(report) + "\n")
    print(f"chance {CHANCE:.0f} %; {words.run}/fewshot.png")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
