"""Fine-tuning on the supports makes a task that guessing fails one that is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.evaluation import evaluate
from m3w.trainer.evaluate.finetuning import train
from m3w.trainer.evaluate.loaded_model import load_model
from m3w.trainer.evaluate.recipe import load_evaluation
from m3w.trainer.ranks import Ranks

ALONE = Ranks(0, 1, torch.device("cpu"))
HOW = {"steps": 60, "batch_size": 8, "learning_rate": 0.003, "language_model": True}


def test_the_loss_falls_and_the_frozen_stays(checkpoint: Path, recipe: Callable[..., Path]) -> None:
    loaded_recipe = load_evaluation(
        str(recipe(finetune={**HOW, "steps": 20, "vision_encoder": False, "language_model": False}))
    )
    loaded, task = load_model(checkpoint, torch.device("cpu")), loaded_recipe.resolved_task()
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    losses = train(loaded, task, task.examples("supports", loaded_recipe.root), loaded_recipe, ALONE)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    changed = {name for name, value in loaded.model.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("resampler.") for name in changed)
    assert not any(name.startswith("vision_encoder.") or ".block." in name for name in changed)


def test_an_evaluation_fine_tunes_once_and_then_asks(
    checkpoint: Path, recipe: Callable[..., Path], tmp_path: Path
) -> None:
    path = recipe(finetune=HOW, shots=[0], seeds=[0], text_exemplars=0)
    results = evaluate(checkpoint, load_evaluation(str(path)), ALONE, lambda *_: None)
    assert results["summary"][0]["mean"] > 60  # of four colours; nothing was learnt of these pictures
    weights = tmp_path / "out/finetuned/model.safetensors"
    written = weights.stat().st_mtime_ns
    assert evaluate(checkpoint, load_evaluation(str(path)), ALONE, lambda *_: None) == results
    assert weights.stat().st_mtime_ns == written
    with pytest.raises(InputError, match="was fine-tuned from or by something else"):
        more = ["finetune.steps=61"]
        evaluate(checkpoint, load_evaluation(str(path), more), ALONE, lambda *_: None)
    assert json.loads((tmp_path / "out/results.json").read_text())["checkpoint"] == str(checkpoint)
