import json
from pathlib import Path

import pytest
import torch
from torch import nn

from trainer.checkpoint import Checkpoints, list_checkpoints
from trainer.ranks import Ranks
from trainer.recipe import CheckpointRecipe

ALONE = Ranks(0, 1, torch.device("cpu"))


def small_model() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[2].requires_grad_(False)
    return model


def trained(seed: int, updates: int) -> tuple[nn.Sequential, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = small_model()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    run(model, optimizer, updates)
    return model, optimizer


def run(model: nn.Module, optimizer: torch.optim.Optimizer, updates: int) -> list[float]:
    losses = []
    for _ in range(updates):
        loss = model(torch.randn(5, 3)).square().sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def checkpoints(folder: Path, identity: dict[str, object] | None = None, **recipe: int) -> Checkpoints:
    return Checkpoints(folder, CheckpointRecipe(**recipe), identity or {"seed": 1}, ALONE)


def test_what_is_loaded_goes_on_bit_for_bit_as_what_was_saved(tmp_path):
    model, optimizer = trained(seed=0, updates=3)
    frozen = {name: value.clone() for name, value in model.state_dict().items()}
    checkpoints(tmp_path).save(3, model, optimizer)
    expected = run(model, optimizer, 4)

    other, other_optimizer = trained(seed=9, updates=2)
    other[2].load_state_dict({"weight": frozen["2.weight"], "bias": frozen["2.bias"]})
    assert checkpoints(tmp_path).resume(other, other_optimizer) == 3
    assert run(other, other_optimizer, 4) == expected


def test_frozen_parameters_are_not_written(tmp_path):
    model, optimizer = trained(seed=0, updates=1)
    folder = checkpoints(tmp_path).save(1, model, optimizer)
    saved = torch.distributed.checkpoint.FileSystemReader(folder).read_metadata().state_dict_metadata
    assert "model.0.weight" in saved
    assert "model.2.weight" not in saved


def test_without_a_checkpoint_a_training_starts_at_nought(tmp_path):
    assert checkpoints(tmp_path).resume(*trained(seed=0, updates=0)) == 0


def test_the_newest_are_kept_and_every_nth_for_good(tmp_path):
    store = checkpoints(tmp_path, keep=2, keep_every=4)
    model, optimizer = trained(seed=0, updates=1)
    for step in (2, 4, 6, 8, 10, 12):
        store.save(step, model, optimizer)
    assert sorted(path.name[-2:] for path in list_checkpoints(store.folder)) == ["04", "08", "10", "12"]


def test_a_checkpoint_that_was_not_finished_is_passed_over_and_removed(tmp_path):
    store = checkpoints(tmp_path)
    model, optimizer = trained(seed=0, updates=1)
    store.save(1, model, optimizer)
    partial = store.folder / ".partial-step-00000002"
    partial.mkdir()
    (partial / "training.json").write_text("{")
    assert store.resume(model, optimizer) == 1
    store.save(2, model, optimizer)
    assert sorted(path.name for path in store.folder.iterdir()) == ["step-00000001", "step-00000002"]


def test_a_checkpoint_of_another_training_is_an_error_that_names_the_difference(tmp_path):
    model, optimizer = trained(seed=0, updates=1)
    checkpoints(tmp_path, {"seed": 1, "batch_size": 8}).save(1, model, optimizer)
    with pytest.raises(ValueError, match=r"batch_size = 8.*16.*another `output`"):
        checkpoints(tmp_path, {"seed": 1, "batch_size": 16}).resume(model, optimizer)


def test_a_checkpoint_says_which_step_it_is_of(tmp_path):
    folder = checkpoints(tmp_path).save(7, *trained(seed=0, updates=1))
    assert folder.name == "step-00000007"
    assert json.loads((folder / "training.json").read_text()) == {"step": 7, "seed": 1}
