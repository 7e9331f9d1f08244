"""docs/extending.md holds: each of its recipes is run as it stands."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
import ray
from PIL import Image

from benchmarks.inline import InlineRun
from m3w.pipeline.build import build
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.engine.plan import Plan
from m3w.pipeline.exchange.import_documents import import_documents
from m3w.pipeline.recipe import load_recipe
from m3w.pipeline.tables import EXTRACTED
from m3w.trainer.evaluate.recipe import load_evaluation

PAGE = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")


def block(section: str, kind: str) -> str:
    """The block of code of a kind in a section of the page."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    (code,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return str(code)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Makes `mine.py` of a section, in the folder of the command."""
    ray.shutdown()  # one that another test started has workers that look elsewhere
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")  # Ray's workers have it from there

    def module(section: str) -> ModuleType:
        (tmp_path / "mine.py").write_text(block(section, "python"), encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module("mine")

    yield module
    sys.modules.pop("mine", None)
    ray.shutdown()  # its workers have imported this `mine`


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    folder = tmp_path / "crawl"
    write_demo_crawl(folder, pages=24)
    return folder


@pytest.mark.ray
def test_a_signal_and_its_rule(mine: Callable[[str], ModuleType], crawl: Path, tmp_path: Path) -> None:
    mine("A signal and its rule")
    (tmp_path / "recipe.yaml").write_text(block("A signal and its rule", "yaml"))
    manifest = build(load_recipe("recipe.yaml"), "run")
    (shard, *_) = manifest.splits["train"].documents
    signals = pq.read_table(tmp_path / "run/dataset" / shard.path)["signals"].to_pylist()
    assert signals and all(0 <= row["exclamations"] <= 0.01 for row in signals)
    build(load_recipe("recipe.yaml", ["rules.document.shouting.max=-1", "rules.document.shouting.min=-2"]), "run2")
    counters = json.loads((tmp_path / "run2/dataset/dataset.json").read_text())["counts"]["filter"]
    assert counters["documents_dropped.shouting"] > 5


@pytest.mark.ray
def test_a_scorer_of_images(mine: Callable[[str], ModuleType], crawl: Path, tmp_path: Path) -> None:
    mine("A scorer of images")
    (tmp_path / "recipe.yaml").write_text(block("A scorer of images", "yaml"))
    manifest = build(load_recipe("recipe.yaml", ["rules.image.too_dark.min=120"]), "run")
    assert manifest.counts["score"]["images_scored"] > 10
    assert 0 < manifest.counts["join"]["image_references_dropped.too_dark"] < manifest.counts["score"]["images_scored"]


def test_a_format_to_import(mine: Callable[[str], ModuleType], tmp_path: Path) -> None:
    mine("A format to import")
    row = {"page": "http://a.example/", "caption": "A robin in the snow", "image": "http://a.example/robin.jpg"}
    (tmp_path / "captions.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({"page": "no caption"}) + "\n")
    run = InlineRun(tmp_path)
    recipe = run.recipe(crawl={"paths": ["captions.jsonl"], "format": "mine.read"})
    entry = run.part(import_documents, "p", recipe, path=str(tmp_path / "captions.jsonl"))
    assert (entry.counters["documents"], entry.counters["pages_dropped.malformed"]) == (1, 1)
    (document,) = run.rows(EXTRACTED)
    assert document["texts"] == ["A robin in the snow", None] and document["images"][1]["url"].endswith("robin.jpg")


def test_an_evaluation_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birds").mkdir()
    (tmp_path / "mine.yaml").write_text(block("An evaluation task", "yaml"))
    for name in ("queries", "supports"):
        rows = [{"file": f"{name}{n}.png", "answer": "a robin"} for n in range(3)]
        (tmp_path / f"birds/{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for row in rows:
            Image.new("RGB", (8, 8)).save(tmp_path / "birds" / row["file"])
    (tmp_path / "eval.yaml").write_text("{task: mine.yaml, root: birds, output: runs/birds, shots: [0, 4]}")
    task = load_evaluation("eval.yaml").resolved_task()
    examples = task.examples("queries", "birds")
    assert [(each.answer, each.choices) for each in examples] == [("a robin", ("a robin", "a wren", "an owl"))] * 3


@pytest.mark.ray
def test_a_stage(mine: Callable[[str], ModuleType], crawl: Path, tmp_path: Path) -> None:
    module = mine("A stage")
    (tmp_path / "recipe.yaml").write_text('crawl: {paths: ["crawl/*.warc.gz"]}\n')
    recipe = load_recipe("recipe.yaml")
    names = [planned.stage.name for planned in Plan(module.stages, recipe).stages]
    assert names[names.index("filter") + 1] == "headings"
    manifest = build(recipe, "run", stages=module.stages)
    assert manifest.counts["headings"]["headings"] == manifest.counts["filter"]["documents"] > 5
    titles = [row for file in (tmp_path / "run/headings").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    assert len(titles) == manifest.counts["filter"]["documents"] and titles[0]["title"]
